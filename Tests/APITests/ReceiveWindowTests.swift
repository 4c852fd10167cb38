import Testing

@testable import API

@Suite("Receive windows")
struct ReceiveWindowTests {
    @Test("Few uploads have large windows, many have small ones, and all together keep to the budget")
    func shares() {
        #expect(ReceiveWindow.window(of: 0) == 2 << 20)
        #expect(ReceiveWindow.window(of: 1) == 2 << 20)
        #expect(ReceiveWindow.window(of: 17) == 1 << 20)
        #expect(ReceiveWindow.window(of: 100) == 128 << 10)
        for uploads in 1...384 { #expect(ReceiveWindow.window(of: uploads) * uploads <= 24 << 20) }
        #expect(ReceiveWindow.window(of: 10_000) == 64 << 10)
    }
}
