public import Database
import FaultPoints
public import Logging
public import Messaging
import Metrics
import Models
public import ServiceLifecycle
import Telemetry

/// Announces what the broker does not know of, or has lost, and counts the jobs for the metrics.
///
/// Every API process runs one. Rounds of several processes do not meet: each takes the rows no other has locked.
public struct Sweeper: Service {
    /// As often as Prometheus usually asks.
    private static let metricsInterval: Duration = .seconds(15)

    private let database: Database
    private let jobs: JobPublisher
    private let publisher: Publisher
    private let logger: Logger
    private let interval: Duration
    private let metrics: JobMetrics

    /// Sweeps every few seconds.
    public init(
        database: Database,
        jobs: JobPublisher,
        publisher: Publisher,
        logger: Logger,
        interval: Duration = .seconds(5)
    ) {
        self.database = database
        self.jobs = jobs
        self.publisher = publisher
        self.logger = logger
        self.interval = interval
        metrics = JobMetrics(database: database, logger: logger)
    }

    /// Sweeps until the process is told to stop. A round that fails is logged and the next one tries again.
    public func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { await repeatUntilShutdown(every: interval) { await sweep() } }
            // Counted whether or not the broker is there: what piles up without it is what people want to see.
            group.addTask { await repeatUntilShutdown(every: Self.metricsInterval) { await metrics.record() } }
        }
    }

    private func sweep() async {
        guard case .connected = publisher.state else { return }
        await jobs.recordConfirmed()
        jobs.announceRefused()
        do {
            try await announceLost()
            try await announcePassedOver()
            let due = try await database.run(JobStatements.due())
            if !due.isEmpty { FaultPoint.sweeperMarked.reach() }
            jobs.announce(due)
        } catch {
            logger.warning("A sweep failed and will be repeated", metadata: ["error": "\(error)"])
        }
    }

    /// A queue that is empty while confirmed jobs have waited for a minute has lost their messages: a broker whose
    /// disk was replaced, a purged queue.
    private func announceLost() async throws(DatabaseError) {
        for overdue in try await database.run(JobStatements.overdue()) {
            guard await publisher.depth(of: Topology.queue(for: overdue.kind)) == 0 else { continue }
            logger.warning("Messages are missing from a queue; announcing again", metadata: ["kind": "\(overdue.kind)"])
            _ = try await database.run(JobStatements.announceAgain(overdue.kind))
        }
    }

    /// A queue gives its messages in the order they came. A job that it has come past has lost its message, or a worker
    /// holds it and does not get to it; if neither is so, the second message finds nothing to claim.
    private func announcePassedOver() async throws(DatabaseError) {
        let passedOver = try await database.run(JobStatements.passedOver())
        guard !passedOver.isEmpty else { return }
        logger.warning(
            "Queues have come past jobs that are not done; announcing them again",
            metadata: ["jobs": "\(passedOver.count)", "first": "\(passedOver[0].id)"]
        )
        Counter(label: "tolva_jobs_passed_over_total").increment(by: passedOver.count)
        jobs.announce(passedOver)
    }
}
