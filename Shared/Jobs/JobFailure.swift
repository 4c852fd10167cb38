/// Why an attempt did not succeed.
public struct JobFailure: Error, Sendable {
    /// One sentence for the person who uploaded: what is wrong with the file, never a path or a stack.
    public let reason: String
    /// Whether another attempt could only fail the same way.
    public let isPermanent: Bool
    /// How long to wait before the work can be begun at all; such an attempt is not charged. Nil for an attempt that
    /// did begin.
    let postponement: Duration?

    /// Makes the failure.
    public init(reason: String, isPermanent: Bool) {
        self.reason = reason
        self.isPermanent = isPermanent
        postponement = nil
    }

    private init(reason: String, postponement: Duration) {
        self.reason = reason
        isPermanent = false
        self.postponement = postponement
    }

    /// Something outside the work is missing, room on a disk for one: it waits, however often, until that is there.
    public static func postponed(_ reason: String, for pause: Duration = .seconds(60)) -> JobFailure {
        JobFailure(reason: reason, postponement: pause)
    }

    /// How long to wait after a failed attempt: 2 s, 4 s, 8 s… at most 10 minutes, each between half and the whole
    /// of it, so that jobs that failed together do not come back together.
    static func backoff(after attempt: Int) -> Duration {
        let longest = min(600, Double(1 << min(max(attempt, 1), 20)))
        return .seconds(longest * Double.random(in: 0.5...1))
    }
}
