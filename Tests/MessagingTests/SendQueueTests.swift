import Synchronization
import Testing

@testable import Messaging

@Suite("Send queue")
struct SendQueueTests {
    private let log = OutcomeLog()

    @Test("Nothing waits for a broker that is not connected")
    func closed() {
        let queue = SendQueue()
        #expect(!queue.add([log.pending(1)]))
        #expect(log.outcomes == [1: "unavailable"])
    }

    @Test("Only the first message of a run wakes the thread")
    func wake() {
        let queue = SendQueue()
        queue.open()
        #expect(queue.add([log.pending(1)]))
        #expect(!queue.add([log.pending(2)]))
        #expect(queue.takeMessage() != nil)
        #expect(queue.takeMessage() != nil)
        #expect(queue.takeMessage() == nil)
        #expect(queue.add([log.pending(3)]))
    }

    @Test("An alarm fails what waits and what comes, until it ends")
    func blocked() {
        let queue = SendQueue()
        queue.open()
        _ = queue.add([log.pending(1)])
        queue.fail(.unavailable("blocked"))
        _ = queue.add([log.pending(2)])
        #expect(log.outcomes == [1: "unavailable", 2: "unavailable"])
        queue.open()
        #expect(queue.add([log.pending(3)]))
    }

    @Test("A full queue refuses more instead of growing")
    func full() {
        let queue = SendQueue()
        queue.open()
        _ = queue.add((0..<SendQueue.maximumMessages).map { log.pending($0) })
        _ = queue.add([log.pending(-1)])
        #expect(log.outcomes == [-1: "unavailable"])
    }

    @Test("A message that waits too long for its place times out")
    func expires() {
        let queue = SendQueue()
        queue.open()
        let now = ContinuousClock.now
        _ = queue.add([log.pending(1, deadline: now), log.pending(2, deadline: now + .seconds(9))])
        #expect(queue.deadline == now)
        queue.expire(at: now)
        #expect(log.outcomes == [1: "timeout"])
        #expect(queue.deadline == now + .seconds(9))
    }

    @Test("A question about a queue is answered with nil when there is nobody to ask")
    func questions() {
        let queue = SendQueue()
        let answers = Mutex(0)
        let request = DepthRequest(queue: "q", deadline: .now) { depth in
            #expect(depth == nil)
            answers.withLock { $0 += 1 }
        }
        #expect(!queue.add(request))
        queue.open()
        #expect(queue.add(request))
        queue.expire(at: .now)
        #expect(queue.add(request))
        queue.fail(.unavailable("gone"))
        #expect(answers.withLock { $0 } == 3)
    }
}
