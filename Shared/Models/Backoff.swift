/// How long to wait before the next attempt: twice as long each time, up to a maximum. Each user says its own: jobs in
/// `JobWorker`, connections to the broker in `ReconnectingConnection`.
public struct Backoff: Sendable {
    private let initial: Duration
    private let maximum: Duration
    private let isJittered: Bool
    private var attempts = 0

    /// With jitter each wait is drawn at random from the upper half of what it would be, so that a fleet that failed
    /// together does not return together.
    public init(initial: Duration, maximum: Duration, jitter: Bool) {
        self.initial = initial
        self.maximum = maximum
        isJittered = jitter
    }

    public mutating func next() -> Duration {
        attempts = min(attempts + 1, .max - 1)
        return delay(after: attempts)
    }

    /// Begins with the initial wait again, after an attempt that succeeded.
    public mutating func reset() {
        attempts = 0
    }

    /// The wait that follows the failed attempt of this number, the first being 1.
    public func delay(after attempt: Int) -> Duration {
        // 30 doublings of any wait exceed every maximum in use, and do not overflow.
        let doublings = min(max(attempt, 1) - 1, 30)
        let longest = min(initial * (1 << doublings), maximum)
        return isJittered ? longest * Double.random(in: 0.5...1) : longest
    }
}
