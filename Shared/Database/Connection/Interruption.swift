import Blocking
import Synchronization

/// A caller's wish to stop the one call it belongs to.
final class Interruption: Sendable {
    private let requested = Atomic(false)
    private let wakeup: Wakeup

    init(_ wakeup: Wakeup) {
        self.wakeup = wakeup
    }

    var isRequested: Bool { requested.load(ordering: .acquiring) }

    func request() {
        requested.store(true, ordering: .releasing)
        wakeup.signal()
    }
}

/// One round trip under way: who may stop it, and when it is over.
struct Exchange {
    let interruption: Interruption?
    var deadline: ContinuousClock.Instant
    /// Whether the server has, or will get, all it needs to carry the whole out.
    var isSent = false
    /// Why the server was asked to cancel.
    var stopped: DatabaseError.Kind?

    init(interruption: Interruption?, timeout: Duration) {
        self.interruption = interruption
        deadline = .now + timeout
    }

    /// For `poll()`: rounded up, so that it never wakes just before the deadline.
    var millisecondsLeft: Int32 {
        let left = max(.zero, deadline - .now)
        return Int32(clamping: Int64((left / .milliseconds(1)).rounded(.up)))
    }
}
