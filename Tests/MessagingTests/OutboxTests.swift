import Synchronization
import Testing

@testable import Messaging

@Suite("Outbox")
struct OutboxTests {
    private let log = OutcomeLog()

    @Test("Nothing waits for a broker that is not connected")
    func closed() {
        let outbox = Outbox()
        #expect(!outbox.add([log.pending(1)]))
        #expect(log.outcomes == [1: "unavailable"])
    }

    @Test("Only the first message of a run wakes the thread")
    func wake() {
        let outbox = Outbox()
        outbox.open()
        #expect(outbox.add([log.pending(1)]))
        #expect(!outbox.add([log.pending(2)]))
        #expect(outbox.takeMessage() != nil)
        #expect(outbox.takeMessage() != nil)
        #expect(outbox.takeMessage() == nil)
        #expect(outbox.add([log.pending(3)]))
    }

    @Test("An alarm fails what waits and what comes, until it ends")
    func blocked() {
        let outbox = Outbox()
        outbox.open()
        _ = outbox.add([log.pending(1)])
        outbox.fail(.unavailable("blocked"))
        _ = outbox.add([log.pending(2)])
        #expect(log.outcomes == [1: "unavailable", 2: "unavailable"])
        outbox.open()
        #expect(outbox.add([log.pending(3)]))
    }

    @Test("A full outbox refuses more instead of growing")
    func full() {
        let outbox = Outbox()
        outbox.open()
        _ = outbox.add((0..<Outbox.maximumWaiting).map { log.pending($0) })
        _ = outbox.add([log.pending(-1)])
        #expect(log.outcomes == [-1: "unavailable"])
    }

    @Test("A message that waits too long for its place times out")
    func expires() {
        let outbox = Outbox()
        outbox.open()
        let now = ContinuousClock.now
        _ = outbox.add([log.pending(1, deadline: now), log.pending(2, deadline: now + .seconds(9))])
        #expect(outbox.deadline == now)
        outbox.expire(at: now)
        #expect(log.outcomes == [1: "timeout"])
        #expect(outbox.deadline == now + .seconds(9))
    }

    @Test("A question about a queue is answered with nil when there is nobody to ask")
    func questions() {
        let outbox = Outbox()
        let answers = Mutex(0)
        let question = DepthQuestion(queue: "q", deadline: .now) { depth in
            #expect(depth == nil)
            answers.withLock { $0 += 1 }
        }
        #expect(!outbox.ask(question))
        outbox.open()
        #expect(outbox.ask(question))
        outbox.expire(at: .now)
        #expect(outbox.ask(question))
        outbox.fail(.unavailable("gone"))
        #expect(answers.withLock { $0 } == 3)
    }
}
