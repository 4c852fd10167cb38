public import Database
public import Logging
public import Messaging
public import ServiceLifecycle

/// Runs the jobs of one queue: claims each, keeps its lease while the handler works, and ends it one way or another.
///
/// The handler gives the statements that write its result; they run in the transaction that completes the job,
/// after the fence was checked. It is cancelled when the lease is lost or the process is told to stop.
public struct JobRunner: Service {
    /// Does the work of one job and gives the statements that write its result.
    ///
    /// What it has made by the time it throws is deleted by `undo`.
    public typealias Handler = @Sendable (Lease) async throws(JobFailure) -> [any AnyStatement]

    private let consumer: Consumer

    /// Prepares a runner.
    ///
    /// - Parameters:
    ///   - queue: The queue to work on.
    ///   - slots: How many jobs run side by side.
    ///   - worker: This process, as it stands on the rows.
    ///   - messaging: Where the broker is.
    ///   - database: Where the rows are.
    ///   - work: Shows what is being done.
    ///   - logger: Where each job's end is logged.
    ///   - undo: Deletes what an attempt made, when it may not be kept.
    ///   - ended: Told of each attempt once its row says how it ended.
    ///   - handle: The work.
    public init(
        queue: String,
        slots: Int,
        worker: String,
        messaging: MessagingSettings,
        database: Database,
        work: WorkInProgress,
        logger: Logger,
        undo: @escaping @Sendable (ClaimedJob) async -> Void,
        ended: @escaping @Sendable (ClaimedJob) async -> Void = { _ in },
        handle: @escaping Handler
    ) {
        let attempt = JobAttempt(
            worker: worker,
            database: database,
            work: work,
            logger: logger,
            undo: undo,
            ended: ended,
            handle: handle
        )
        consumer = Consumer(queue: queue, prefetch: slots, settings: messaging, logger: logger) { delivery in
            await attempt.run(delivery)
        }
    }

    /// Whether the broker is there, for the readiness check.
    public var broker: BrokerState { consumer.state }

    /// Works until the process is told to stop; what is under way is then finished or handed back.
    public func run() async throws {
        try await consumer.run()
    }
}
