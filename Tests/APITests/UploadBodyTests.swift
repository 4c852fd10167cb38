import HTTPTypes
import Testing

@testable import API

@Suite("Bodies that drip")
struct UploadBodyTests {
    /// Feeds packets of one size, one each `every`, and gives the number of the one that ends it; nil if none does.
    private func cut(packets: Int, of bytes: Int, every: Duration, minimum: Int64 = 1024) -> Int? {
        var pace = BodyPace(minimum: minimum)
        for number in 0..<packets {
            do {
                try pace.received(bytes, at: every * number)
            } catch {
                #expect(error.code == "too_slow")
                #expect(error.status == .requestTimeout)
                return number
            }
        }
        return nil
    }

    @Test("A byte now and then is cut after half a minute of seconds with a byte in them")
    func drip() {
        #expect(cut(packets: 1000, of: 1, every: .milliseconds(100)) == 300)
        #expect(cut(packets: 1000, of: 1, every: .seconds(1)) == 30)
        #expect(cut(packets: 1000, of: 1, every: .seconds(299)) == 30)
    }

    @Test("A slow body above the minimum is not cut, however long it takes")
    func slow() {
        #expect(cut(packets: 100_000, of: 103, every: .milliseconds(100)) == nil)
        #expect(cut(packets: 10_000, of: 1024, every: .seconds(1)) == nil)
        #expect(cut(packets: 10_000, of: 1023, every: .seconds(1)) == 30)
    }

    @Test("Pauses of minutes between full packets are no drip")
    func pauses() {
        #expect(cut(packets: 10_000, of: 1448, every: .seconds(299)) == nil)
    }

    @Test("A body that ends within the first half minute is never judged")
    func short() {
        #expect(cut(packets: 300, of: 1, every: .milliseconds(100)) == nil)
        #expect(cut(packets: 1, of: 0, every: .zero) == nil)
    }

    @Test("One good half minute does not pay for the next")
    func laterDrip() throws {
        var pace = BodyPace(minimum: 1024)
        for second in 0..<30 { try pace.received(1 << 20, at: .seconds(second)) }
        for second in 30..<60 { try pace.received(1, at: .seconds(second)) }
        let error = #expect(throws: APIError.self) { try pace.received(1, at: .seconds(60)) }
        #expect(error?.code == "too_slow")
    }

    @Test("Without a minimum nothing is cut")
    func off() {
        #expect(cut(packets: 1000, of: 0, every: .seconds(1), minimum: 0) == nil)
    }
}
