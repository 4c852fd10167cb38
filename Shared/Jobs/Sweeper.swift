public import Database
import FaultPoints
public import Logging
public import Messaging
import Models
public import ServiceLifecycle
import Telemetry

/// Announces what the broker does not know of, or has lost, and counts the jobs for the metrics.
///
/// Every API process runs one. Rounds of several processes do not meet: each takes the rows no other has locked.
public struct Sweeper: Service {
    /// As often as Prometheus usually asks.
    private static let metricsInterval: Duration = .seconds(15)
    /// What no slot may take yet looks lost, too, and is announced each time.
    private static let roundsBetweenLost = 6

    private let database: Database
    private let jobs: JobPublisher
    private let publisher: Publisher
    private let logger: Logger
    private let interval: Duration
    private let history: Duration
    private let metrics: JobMetrics

    /// Sweeps every few seconds. Jobs that are done are forgotten after `history`.
    public init(
        database: Database,
        jobs: JobPublisher,
        publisher: Publisher,
        history: Duration,
        logger: Logger,
        interval: Duration = .seconds(5)
    ) {
        self.database = database
        self.jobs = jobs
        self.publisher = publisher
        self.logger = logger
        self.interval = interval
        self.history = history
        metrics = JobMetrics(database: database, logger: logger)
    }

    /// Sweeps until the process is told to stop. A round that fails is logged and the next one tries again.
    public func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { await repeatUntilShutdown(every: interval) { await sweep() } }
            group.addTask {
                await repeatUntilShutdown(every: interval * Self.roundsBetweenLost) { await announceLost() }
            }
            group.addTask { await repeatUntilShutdown(every: interval) { await forget() } }
            // Counted whether or not the broker is there: what piles up without it is what people want to see.
            group.addTask { await repeatUntilShutdown(every: Self.metricsInterval) { await metrics.record() } }
        }
    }

    private func sweep() async {
        guard case .connected = publisher.state else { return }
        await jobs.recordConfirmed()
        jobs.announceRefused()
        do {
            let due = try await database.run(JobStatements.due())
            if !due.isEmpty { FaultPoint.sweeperMarked.reach() }
            jobs.announce(due)
        } catch {
            logger.warning("A sweep failed and will be repeated", metadata: ["error": "\(error)"])
        }
    }

    /// In small steps, so that nobody waits for the locks: two hundred jobs a second.
    private func forget() async {
        do {
            _ = try await database.run(JobStatements.forget(history / .seconds(1)))
        } catch {
            logger.debug("Jobs that are done could not be forgotten yet", metadata: ["error": "\(error)"])
        }
    }

    /// A queue that is empty while confirmed jobs have waited for a minute has lost messages: a broker whose disk was
    /// replaced, a purged queue. While others are in it nothing waits for the lost ones: a message is a ticket for any job.
    private func announceLost() async {
        guard case .connected = publisher.state else { return }
        do {
            for overdue in try await database.run(JobStatements.overdue(Job.Kind.allCases)) {
                guard await publisher.depth(of: Topology.queue(for: overdue.kind)) == 0 else { continue }
                var count = 0
                var step: Int
                repeat {
                    step = try await database.transaction([JobStatements.announceAgain(overdue.kind)])[0].affected
                    count += step
                } while step == JobStatements.announcedAtOnce && !Task.isCancelled
                // Another process may have been faster.
                guard count > 0 else { continue }
                logger.notice(
                    "Jobs wait while their queue is empty: messages were lost, or no slot may take them; announcing again",
                    metadata: ["kind": "\(overdue.kind)", "jobs": "\(count)"]
                )
            }
        } catch {
            logger.warning("Lost messages were not looked for", metadata: ["error": "\(error)"])
        }
    }
}
