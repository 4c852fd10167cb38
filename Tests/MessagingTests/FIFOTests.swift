import Testing

@testable import Messaging

@Suite("FIFO")
struct FIFOTests {
    @Test("Elements come out in the order they went in, however the two are mixed")
    func order() {
        var fifo = FIFO<Int>()
        var next = 0
        var expected = 0
        for round in 0..<200 {
            for _ in 0..<(round % 7) {
                fifo.append(next)
                next += 1
            }
            for _ in 0..<(round % 5) where !fifo.isEmpty {
                #expect(fifo.popFirst() == expected)
                expected += 1
            }
            #expect(fifo.count == next - expected)
            if !fifo.isEmpty { #expect(fifo[fifo.count - 1] == next - 1) }
        }
        #expect(fifo.removeAll() == Array(expected..<next))
        #expect(fifo.popFirst() == nil)
    }
}
