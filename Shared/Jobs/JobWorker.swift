public import Database
import FaultPoints
import Foundation
public import Logging
public import Messaging
import Metrics
public import Models
public import ServiceLifecycle
import Synchronization

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

/// Runs the jobs of one queue: claims each, keeps its lease while its handler works, records how that ended, and
/// acknowledges the message.
public struct JobWorker: Service {
    private let consumer: Consumer

    /// `worker` names this process on the rows; `handler` makes the handler of one attempt.
    public init(
        kind: Job.Kind,
        slots: Int,
        worker: String,
        messaging: MessagingSettings,
        database: Database,
        work: WorkInProgress,
        logger: Logger,
        handler: @escaping @Sendable (Lease) -> any JobHandler
    ) {
        let attempt = JobAttempt(worker: worker, database: database, work: work, logger: logger, handler: handler)
        consumer = Consumer(queue: Topology.queue(for: kind), prefetch: slots, settings: messaging, logger: logger) {
            await attempt.run($0)
        }
    }

    public var readiness: DependencyStatus { consumer.readiness }

    /// Works until the process is told to stop; what is under way is then finished or handed back.
    public func run() async throws {
        try await consumer.run()
    }
}

/// One delivery, from its claim to its acknowledgement.
struct JobAttempt: Sendable {
    /// How long a job waits after a failed attempt: 2 s, 4 s, 8 s… at most 10 minutes, each between half and the whole of
    /// it, so that jobs that failed together do not come back together.
    static let backoff = Backoff(initial: .seconds(2), maximum: .seconds(600), jitter: true)

    let worker: String
    let database: Database
    let work: WorkInProgress
    let logger: Logger
    let handler: @Sendable (Lease) -> any JobHandler

    /// How the work itself ended; what the row says afterwards is for `record` to decide.
    private enum End: Sendable {
        case completed([any AnyStatement])
        case failed(JobFailure)
        case stopped
        case leaseLost
    }

    func run(_ delivery: Delivery) async -> DeliveryOutcome {
        guard let text = String(validating: delivery.body, as: UTF8.self), let id = JobID(text) else {
            logger.error("A message is not a job's id; it goes to the dead-letter queue")
            return .reject
        }
        let job: ClaimedJob?
        do {
            job = try await claim(id)
        } catch {
            return .requeue
        }
        // Done, failed, waiting for its next attempt or held by another: the row needs nothing from this message.
        guard let job else { return .done }
        FaultPoint.jobClaimed.reach()
        let lease = Lease(job: job, database: database, logger: logger.tagged(with: job))
        let handler = handler(lease)
        return await work.during("\(job.kind.rawValue) \(job.subject.uuidString.lowercased())") {
            let started = ContinuousClock.now
            let end = job.attempt > job.maximumAttempts ? .failed(.exhausted) : await perform(handler, lease)
            FaultPoint.jobWorked.reach()
            let outcome = await record(end, of: handler, lease, seconds: (ContinuousClock.now - started) / .seconds(1))
            FaultPoint.jobCompleted.reach()
            await handler.ended()
            return outcome
        }
    }

    /// Claims the job, waiting for a database that is away until the process is told to stop.
    private func claim(_ id: JobID) async throws -> ClaimedJob? {
        try await cancelWhenGracefulShutdown {
            var backoff = Backoff.database
            while true {
                do {
                    return try await database.first(JobStatements.claim(id, worker))
                } catch let error as DatabaseError where error.isTransient && !Task.isCancelled {
                    logger.warning("A job could not be claimed yet", metadata: ["job": "\(id)", "error": "\(error)"])
                }
                try await Task.sleep(for: backoff.next())
            }
        }
    }

    /// Lets the handler work for as long as the lease lives and the process may work.
    private func perform(_ handler: any JobHandler, _ lease: Lease) async -> End {
        await withTaskGroup(of: End?.self) { group in
            group.addTask {
                await cancelWhenGracefulShutdown {
                    do throws(JobFailure) {
                        return End.completed(try await handler.work())
                    } catch {
                        return Task.isCancelled && !error.isPermanent ? .stopped : .failed(error)
                    }
                }
            }
            group.addTask {
                do { try await lease.renewUntilLost() } catch { return nil }
                return .leaseLost
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            // Whatever came first, the handler must have ended before what it made is kept or deleted.
            await group.waitForAll()
            return first ?? .stopped
        }
    }

    /// Writes how the attempt ended, and tells the broker what to do with its message.
    private func record(
        _ end: End,
        of handler: any JobHandler,
        _ lease: Lease,
        seconds: Double
    ) async -> DeliveryOutcome {
        let job = lease.job
        switch end {
        case .completed(let statements):
            switch await lease.commit(statements + [JobStatements.complete(job.id, job.fence)], as: .done) {
            case .yes:
                report("completed", lease, seconds: seconds)
                return .done
            case .leaseGone:
                return await giveUp(handler, lease)
            case .refused(let error):
                lease.logger.error("The result was refused", metadata: ["error": "\(error)"])
                let failure = JobFailure(reason: "The result could not be recorded.", isPermanent: false)
                return await record(.failed(failure), of: handler, lease, seconds: seconds)
            case .unknown(let error):
                // It may have been committed, so what was made stays: the row decides once the database is back.
                lease.logger.error("It is not known whether the result was recorded", metadata: ["error": "\(error)"])
                return .requeue
            }
        case .failed(let failure):
            await handler.discard()
            let isLast = failure.isPermanent || (failure.postponement == nil && job.attempt >= job.maximumAttempts)
            let statement = JobStatements.fail(job, failure, isLast: isLast)
            let written = await lease.commit([statement], as: isLast ? .failed : .queued)
            let outcome = failure.postponement != nil ? "postponed" : isLast ? "failed" : "retried"
            report(outcome, lease, ifWritten: written, seconds: seconds, reason: failure.reason)
            return .done
        case .stopped:
            await handler.discard()
            let written = await lease.commit([JobStatements.handBack(job.id, job.fence)], as: .queued)
            report("handed back", lease, ifWritten: written, seconds: seconds)
            return .requeue
        case .leaseLost:
            return await giveUp(handler, lease)
        }
    }

    /// Another worker has the job, or nobody: this attempt changes nothing and leaves nothing.
    private func giveUp(_ handler: any JobHandler, _ lease: Lease) async -> DeliveryOutcome {
        await handler.discard()
        report("lease lost", lease)
        return .done
    }

    /// Of an attempt that has left nothing.
    private func report(
        _ outcome: String,
        _ lease: Lease,
        ifWritten written: Lease.Written,
        seconds: Double,
        reason: String? = nil
    ) {
        switch written {
        case .yes:
            report(outcome, lease, seconds: seconds, reason: reason)
        case .leaseGone:
            report("lease lost", lease)
        case .refused(let error), .unknown(let error):
            // The lease ends by itself, and the job is done again.
            lease.logger.error("Could not record that the job was \(outcome)", metadata: ["error": "\(error)"])
        }
    }

    private func report(_ outcome: String, _ lease: Lease, seconds: Double? = nil, reason: String? = nil) {
        let kind = lease.job.kind.rawValue
        Counter(label: "tolva_jobs_ended_total", dimensions: [("kind", kind), ("outcome", outcome)]).increment()
        var metadata: Logger.Metadata = ["outcome": "\(outcome)"]
        if let seconds {
            Metrics.Timer(label: "tolva_job_seconds", dimensions: [("kind", kind)])
                .recordNanoseconds(Int64(seconds * 1e9))
            metadata["seconds"] = "\(seconds)"
        }
        if let reason { metadata["reason"] = "\(reason)" }
        lease.logger.log(level: outcome == "completed" ? .info : .warning, "Job \(outcome)", metadata: metadata)
    }
}

extension Logger {
    fileprivate func tagged(with job: ClaimedJob) -> Logger {
        var logger = self
        logger[metadataKey: "job"] = "\(job.id)"
        logger[metadataKey: "kind"] = "\(job.kind.rawValue)"
        logger[metadataKey: "subject"] = "\(job.subject.uuidString.lowercased())"
        logger[metadataKey: "attempt"] = "\(job.attempt)"
        return logger
    }
}

/// What a process is doing right now, for its heartbeat.
public final class WorkInProgress: Sendable {
    private let under = Mutex<[UUID: String]>([:])

    public init() {}

    /// One line for each piece of work.
    public var lines: [String] { under.withLock { $0.values.sorted() } }

    func during<Result>(_ line: String, _ body: () async -> Result) async -> Result {
        let id = UUID()
        under.withLock { $0[id] = line }
        defer { _ = under.withLock { $0.removeValue(forKey: id) } }
        return await body()
    }
}

/// What a worker holds while it works: the right to finish one attempt of one job.
public struct Lease: Sendable {
    static let length: Duration = .seconds(60)
    static let renewal: Duration = .seconds(15)
    /// The SQLSTATE of `require_lease`.
    static let leaseGone = "TL001"

    public let job: ClaimedJob
    let database: Database
    /// Names the job in every line.
    public let logger: Logger

    /// What became of a transaction that ends the attempt.
    enum Written {
        case yes
        case leaseGone
        case refused(DatabaseError)
        case unknown(DatabaseError)
    }

    /// Puts how far the work is (0…1) on the row. A row that cannot be reached now is not an error: it is only shown.
    public func report(progress: Double) async {
        do {
            _ = try await database.run(JobStatements.progress(job.id, job.fence, min(max(progress, 0), 1)))
        } catch {
            logger.debug("Progress was not recorded", metadata: ["error": "\(error)"])
        }
    }

    /// Keeps the lease alive; returns when it is lost, because another worker claimed the job or because the
    /// database could not be reached for as long as a lease lasts.
    func renewUntilLost() async throws(CancellationError) {
        let clock = ContinuousClock()
        var held = clock.now
        while clock.now - held < Self.length {
            do { try await Task.sleep(for: Self.renewal) } catch { throw CancellationError() }
            let asked = clock.now
            do {
                guard try await database.first(JobStatements.renew(job.id, job.fence)) != nil else { return }
                held = asked
            } catch {
                if Task.isCancelled { throw CancellationError() }
                logger.warning("The lease could not be renewed yet", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Runs the statements that end the attempt in one transaction that begins with the check of the fence. A database
    /// that is away is waited for as long as a lease lasts; afterwards another worker does the job anyway.
    func commit(_ statements: [any AnyStatement], as state: Job.State) async -> Written {
        let clock = ContinuousClock()
        let deadline = clock.now + Self.length
        var backoff = Backoff.database
        while true {
            let problem: DatabaseError
            do {
                _ = try await database.transaction([JobStatements.requireLease(job.id, job.fence)] + statements)
                return .yes
            } catch  where error.sqlState == Self.leaseGone {
                do {
                    // An earlier try whose answer was lost may have been the one that ended it.
                    let standing = try await database.first(JobStatements.outcome(job.id, job.fence))
                    return standing?.state == state ? .yes : .leaseGone
                } catch {
                    problem = error
                }
            } catch {
                problem = error
            }
            guard problem.isTransient else { return .refused(problem) }
            let pause = backoff.next()
            guard clock.now + pause < deadline else { return .unknown(problem) }
            logger.warning("The database is away; trying again", metadata: ["error": "\(problem)"])
            do { try await Task.sleep(for: pause) } catch { return .unknown(problem) }
        }
    }
}

extension Backoff {
    /// Between two tries of a statement whose database is away.
    static var database: Backoff { Backoff(initial: .milliseconds(100), maximum: .seconds(5), jitter: false) }
}
