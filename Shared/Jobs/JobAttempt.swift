import Database
import FaultPoints
import Foundation
import Logging
import Messaging
import Metrics
import Models
import ServiceLifecycle

/// One delivery, from its claim to its acknowledgement.
struct JobAttempt: Sendable {
    let worker: String
    let database: Database
    let work: WorkInProgress
    let logger: Logger
    let undo: @Sendable (ClaimedJob) async -> Void
    let ended: @Sendable (ClaimedJob) async -> Void
    let handle: JobRunner.Handler

    /// How the work itself ended; what the row says afterwards is for ``JobRecord`` to decide.
    enum End: Sendable {
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
        return await work.during("\(job.kind.rawValue) \(job.subject.uuidString.lowercased())") {
            let started = ContinuousClock.now
            let end = job.attempt > job.maximumAttempts ? .failed(.exhausted) : await perform(lease)
            FaultPoint.jobWorked.reach()
            let record = JobRecord(lease: lease, undo: undo)
            let outcome = await record.write(end, seconds: (ContinuousClock.now - started) / .seconds(1))
            FaultPoint.jobCompleted.reach()
            await ended(job)
            return outcome
        }
    }

    /// Claims the job, waiting for a database that is away until the process is told to stop.
    private func claim(_ id: JobID) async throws -> ClaimedJob? {
        try await cancelWhenGracefulShutdown {
            var pause = Duration.milliseconds(100)
            while true {
                do {
                    return try await database.first(JobQueries.claim(id, worker))
                } catch let error as DatabaseError where error.isTransient && !Task.isCancelled {
                    logger.warning("A job could not be claimed yet", metadata: ["job": "\(id)", "error": "\(error)"])
                }
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(5))
            }
        }
    }

    /// Runs the handler for as long as the lease lives and the process may work.
    private func perform(_ lease: Lease) async -> End {
        await withTaskGroup(of: End?.self) { group in
            group.addTask {
                await cancelWhenGracefulShutdown {
                    do throws(JobFailure) {
                        return End.completed(try await handle(lease))
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
}

extension JobFailure {
    /// The claim counts before the work begins, so a file that kills its worker ends here.
    static let exhausted = JobFailure(
        reason: "Processing this file stopped the worker every time it was tried.",
        isPermanent: true
    )
}

extension Logger {
    func tagged(with job: ClaimedJob) -> Logger {
        var logger = self
        logger[metadataKey: "job"] = "\(job.id)"
        logger[metadataKey: "kind"] = "\(job.kind.rawValue)"
        logger[metadataKey: "subject"] = "\(job.subject.uuidString.lowercased())"
        logger[metadataKey: "attempt"] = "\(job.attempt)"
        return logger
    }
}
