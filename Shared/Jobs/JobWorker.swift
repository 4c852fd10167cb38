public import Database
import FaultPoints
import Foundation
public import Logging
public import Messaging
import Metrics
public import Models
public import ServiceLifecycle

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
    /// One sentence for the person who waits for the result: what is wrong, never a path or a stack. Only one of a
    /// postponed attempt may promise another; otherwise that is for `reason(isLast:)` to do.
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

    /// What the row says of an attempt that failed.
    func reason(isLast: Bool) -> String {
        isLast || postponement != nil ? reason : "\(reason) It is tried again."
    }

    /// Something outside the work is missing, e.g. room on a disk: the job waits, however often, until it is there.
    public static func postponed(_ reason: String, for pause: Duration = .seconds(60)) -> JobFailure {
        JobFailure(reason: reason, postponement: pause)
    }

    /// The claim counts before the work begins, so a file that kills its worker ends here. One that only ran beside such
    /// a file does not: see `JobStatements.claim`.
    static let exhausted = JobFailure(
        reason: "Processing this file stopped the worker every time it was tried.",
        isPermanent: true
    )
}

/// Runs the jobs of one kind. Each message of their queue is a ticket: it lets a slot claim the job whose turn it is, keep
/// its lease while its handler works, record how that ended, and acknowledge the message.
public struct JobWorker: Service {
    private let consumer: Consumer

    /// `worker` names this process on the rows; `handler` makes the handler of one attempt. Of the `slots`, so many as
    /// `shortSlots` says take no long jobs. A company has at most `companyLimit` jobs of the kind at work.
    public init(
        kind: Job.Kind,
        slots: Int,
        shortSlots: Int = 0,
        companyLimit: Int? = nil,
        worker: String,
        messaging: MessagingSettings,
        database: Database,
        work: WorkInProgress,
        logger: Logger,
        handler: @escaping @Sendable (Lease) -> any JobHandler
    ) {
        let attempt = JobAttempt(
            turns: JobTurns(kind: kind, longSlots: slots - shortSlots, companyLimit: companyLimit),
            worker: worker,
            database: database,
            work: work,
            logger: logger,
            handler: handler
        )
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
    /// A delivery lets another job begin for so long: the broker wants its consumers to end each within hours
    /// (`consumer_timeout`). Jobs that have no message then get one from the sweeper.
    private static let longestHold: Duration = .seconds(3600)

    let turns: JobTurns
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
        guard let text = String(validating: delivery.body, as: UTF8.self), JobID(text) != nil else {
            logger.error("A message is not a job's id; it goes to the dead-letter queue")
            return .reject
        }
        let deadline = ContinuousClock.now + Self.longestHold
        while true {
            let (outcome, another) = await runNext()
            guard outcome == .done, another, ContinuousClock.now < deadline else { return outcome }
        }
    }

    /// Runs the job whose turn it is. `another`: there may be one more without a ticket of its own.
    private func runNext() async -> (outcome: DeliveryOutcome, another: Bool) {
        let job: ClaimedJob?
        do {
            // Before the claim: a job that waits for its turn must not be lost with the one that runs alone.
            try await cancelWhenGracefulShutdown { try await work.begin() }
        } catch {
            return (.requeue, false)
        }
        defer { work.end() }
        do {
            job = try await claim()
        } catch {
            return (.requeue, false)
        }
        // All are done, failed, waiting for their next attempt, at work, or not for this slot.
        guard let job else { return (.done, false) }
        FaultPoint.jobClaimed.reach()
        let lease = Lease(job: job, database: database, logger: logger.tagged(with: job))
        let handler = handler(lease)
        let isExhausted = job.attempt > job.maximumAttempts
        // One at a time: another that must be alone is handed back, and waits without a claim.
        let isReserved = job.isSuspect && !isExhausted ? work.reserve() : nil
        defer { if isReserved == true { work.release() } }
        let outcome = await work.during("\(job.kind.rawValue) \(job.subject.uuidString.lowercased())") {
            let started = ContinuousClock.now
            let end: End =
                if isExhausted { .failed(.exhausted) } else if isReserved == false { .stopped } else {
                    await perform(handler, lease)
                }
            FaultPoint.jobWorked.reach()
            let outcome = await record(end, of: handler, lease, seconds: (ContinuousClock.now - started) / .seconds(1))
            FaultPoint.jobCompleted.reach()
            await handler.ended()
            return outcome
        }
        return (outcome, turns.ended(job))
    }

    /// Claims the job whose turn it is, waiting for a database that is away until the process is told to stop.
    private func claim() async throws -> ClaimedJob? {
        try await cancelWhenGracefulShutdown {
            var backoff = Backoff.database
            while true {
                do {
                    return try await turns.next { try await claim(by: $0) }
                } catch let error as DatabaseError where error.isTransient && !Task.isCancelled {
                    logger.warning("A job could not be claimed yet", metadata: ["error": "\(error)"])
                }
                try await Task.sleep(for: backoff.next())
            }
        }
    }

    private func claim(by turn: JobTurn) async throws(DatabaseError) -> ClaimedJob? {
        let claim = JobStatements.claim(turns.kind, worker, by: turn)
        guard turn.companyLimit != nil else { return try await database.first(claim) }
        return try await database.transaction([JobStatements.claimsInTurn(turns.kind), claim])[1]
            .decode(ClaimedJob.self).first
    }

    /// Lets the handler work for as long as the lease lives and the process may work.
    private func perform(_ handler: any JobHandler, _ lease: Lease) async -> End {
        await withTaskGroup(of: End?.self) { group in
            group.addTask {
                await cancelWhenGracefulShutdown {
                    if lease.job.isSuspect {
                        do { try await work.untilAlone() } catch { return .stopped }
                        await lease.standAlone()
                    }
                    FaultPoint.jobBegun.reach(for: lease.job.subject)
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
