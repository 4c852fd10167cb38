import Synchronization
import Testing

@testable import Messaging

@Suite("Confirms")
struct ConfirmsTests {
    private let log = OutcomeLog()

    private func confirms(_ count: Int, deadline: Duration = .seconds(10)) -> Confirms {
        var confirms = Confirms()
        for number in 1...count {
            let tag = confirms.add(log.pending(number, deadline: .now + deadline))
            #expect(tag == UInt64(number))
        }
        return confirms
    }

    @Test("A confirm of one message ends just that one")
    func single() {
        var confirms = confirms(3)
        confirms.settle(2, multiple: false, .success(()))
        #expect(log.outcomes == [2: "confirmed"])
        confirms.settle(1, multiple: false, .success(()))
        #expect(confirms.count == 1)
    }

    @Test("A confirm of several ends all up to its tag, each once")
    func multiple() {
        var confirms = confirms(5)
        confirms.settle(2, multiple: false, .success(()))
        confirms.settle(4, multiple: true, .success(()))
        #expect(log.outcomes == [1: "confirmed", 2: "confirmed", 3: "confirmed", 4: "confirmed"])
        #expect(confirms.count == 1)
    }

    @Test("A negative confirm refuses all up to its tag")
    func refused() {
        var confirms = confirms(2)
        confirms.settle(2, multiple: true, .failure(.refused("full")))
        #expect(log.outcomes == [1: "refused", 2: "refused"])
    }

    @Test("A message given back is unroutable once its confirm comes, and its neighbours are confirmed")
    func returned() {
        var confirms = confirms(3)
        confirms.markReturned(2, reason: "NO_ROUTE")
        #expect(log.outcomes.isEmpty)
        confirms.settle(3, multiple: true, .success(()))
        #expect(log.outcomes == [1: "confirmed", 2: "unroutable", 3: "confirmed"])
    }

    @Test("A confirm that comes after the message was given up is not an error")
    func late() {
        var confirms = confirms(2, deadline: .zero)
        confirms.expire(at: .now)
        #expect(log.outcomes == [1: "timeout", 2: "timeout"])
        confirms.settle(2, multiple: true, .success(()))
        confirms.settle(1, multiple: false, .success(()))
        #expect(log.outcomes == [1: "timeout", 2: "timeout"])
        #expect(confirms.add(log.pending(3, deadline: .now)) == 3)
    }

    @Test("The end of the connection fails what waits, and nothing twice")
    func failAll() {
        var confirms = confirms(3)
        confirms.settle(2, multiple: false, .success(()))
        confirms.failAll(.unavailable("gone"))
        #expect(log.outcomes == [1: "unavailable", 2: "confirmed", 3: "unavailable"])
        #expect(confirms.count == 0)
    }

    @Test("A tag the broker was never given is ignored")
    func unknownTag() {
        var confirms = confirms(1)
        confirms.settle(9, multiple: false, .success(()))
        confirms.markReturned(9, reason: "NO_ROUTE")
        #expect(confirms.count == 1)
    }
}
