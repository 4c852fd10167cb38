public import Database

/// The work of one attempt of a job: a worker makes one handler for each job it has claimed.
public protocol JobHandler: Sendable {
    /// Does the work, and gives the statements that write its result: they run in the transaction that completes the
    /// job, after the fence was checked.
    ///
    /// It is cancelled when the lease is lost or the process is told to stop.
    func work() async throws(JobFailure) -> [any AnyStatement]

    /// Deletes what the attempt made, because its result may not be kept. `work` has ended, one way or the other.
    func discard() async

    /// Follows once the row says how the attempt ended; by default it does nothing.
    func ended() async
}

extension JobHandler {
    public func ended() async {}
}

public struct JobFailure: Error, Sendable {
    /// One sentence for the person who uploaded: what is wrong with the file, never a path or a stack.
    public let reason: String
    /// Whether another attempt could only fail the same way.
    public let isPermanent: Bool
    /// How long to wait before the work can be begun at all; such an attempt is not charged. Nil for an attempt that
    /// did begin.
    let postponement: Duration?

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

    /// Something outside the work is missing, e.g. room on a disk: the job waits, however often, until it is there.
    public static func postponed(_ reason: String, for pause: Duration = .seconds(60)) -> JobFailure {
        JobFailure(reason: reason, postponement: pause)
    }

    /// The claim counts before the work begins, so a file that kills its worker ends here.
    static let exhausted = JobFailure(
        reason: "Processing this file stopped the worker every time it was tried.",
        isPermanent: true
    )
}
