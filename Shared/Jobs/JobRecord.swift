import Database
import Logging
import Messaging
import Metrics
import Models

/// Writes how an attempt ended, and tells the broker what to do with its message.
struct JobRecord: Sendable {
    /// The SQLSTATE of `require_lease`.
    static let leaseGone = "TL001"

    let lease: Lease
    let undo: @Sendable (ClaimedJob) async -> Void

    private var job: ClaimedJob { lease.job }

    private enum Written {
        case yes
        case leaseGone
        case refused(DatabaseError)
        case unknown(DatabaseError)
    }

    func write(_ end: JobAttempt.End, seconds: Double) async -> DeliveryOutcome {
        switch end {
        case .completed(let statements):
            switch await commit(statements + [JobQueries.complete(job.id, job.fence)], as: .done) {
            case .yes:
                report("completed", seconds: seconds)
                return .done
            case .leaseGone:
                return await giveUp()
            case .refused(let error):
                lease.logger.error("The result was refused", metadata: ["error": "\(error)"])
                let failure = JobFailure(reason: "The result could not be recorded.", isPermanent: false)
                return await write(.failed(failure), seconds: seconds)
            case .unknown(let error):
                // It may have been committed, so what was made stays: the row decides once the database is back.
                lease.logger.error("It is not known whether the result was recorded", metadata: ["error": "\(error)"])
                return .requeue
            }
        case .failed(let failure):
            await undo(job)
            let isLast = failure.isPermanent || (failure.postponement == nil && job.attempt >= job.maximumAttempts)
            let written = await commit([statement(for: failure, isLast: isLast)], as: isLast ? .failed : .queued)
            let outcome = failure.postponement != nil ? "postponed" : isLast ? "failed" : "retried"
            report(outcome, ifWritten: written, seconds: seconds, reason: failure.reason)
            return .done
        case .stopped:
            await undo(job)
            let written = await commit([JobQueries.handBack(job.id, job.fence)], as: .queued)
            report("handed back", ifWritten: written, seconds: seconds)
            return .requeue
        case .leaseLost:
            return await giveUp()
        }
    }

    private func statement(for failure: JobFailure, isLast: Bool) -> any AnyStatement {
        if isLast { return JobQueries.fail(job.id, job.fence, failure.reason) }
        if let pause = failure.postponement {
            return JobQueries.postpone(job.id, job.fence, failure.reason, pause / .seconds(1))
        }
        let pause = JobFailure.backoff(after: job.attempt)
        return JobQueries.retryLater(job.id, job.fence, failure.reason, pause / .seconds(1))
    }

    /// Another worker has the job, or nobody: this attempt changes nothing and leaves nothing.
    private func giveUp() async -> DeliveryOutcome {
        await undo(job)
        report("lease lost")
        return .done
    }

    /// Runs the statements in one transaction that begins with the check of the fence. A database that is away is
    /// waited for as long as a lease lasts; afterwards another worker does the job anyway.
    private func commit(_ statements: [any AnyStatement], as state: Job.State) async -> Written {
        let clock = ContinuousClock()
        let deadline = clock.now + Lease.length
        var pause = Duration.milliseconds(100)
        while true {
            let problem: DatabaseError
            do {
                _ = try await lease.database.transaction([JobQueries.requireLease(job.id, job.fence)] + statements)
                return .yes
            } catch  where error.sqlState == Self.leaseGone {
                do {
                    // An earlier try whose answer was lost may have been the one that ended it.
                    let standing = try await lease.database.first(JobQueries.outcome(job.id, job.fence))
                    return standing?.state == state ? .yes : .leaseGone
                } catch {
                    problem = error
                }
            } catch {
                problem = error
            }
            guard problem.isTransient else { return .refused(problem) }
            guard clock.now + pause < deadline else { return .unknown(problem) }
            lease.logger.warning("The database is away; trying again", metadata: ["error": "\(problem)"])
            do { try await Task.sleep(for: pause) } catch { return .unknown(problem) }
            pause = min(pause * 2, .seconds(5))
        }
    }

    /// Of an attempt that has left nothing.
    private func report(_ outcome: String, ifWritten written: Written, seconds: Double, reason: String? = nil) {
        switch written {
        case .yes:
            report(outcome, seconds: seconds, reason: reason)
        case .leaseGone:
            report("lease lost")
        case .refused(let error), .unknown(let error):
            // The lease ends by itself, and the job is done again.
            lease.logger.error("Could not record that the job was \(outcome)", metadata: ["error": "\(error)"])
        }
    }

    private func report(_ outcome: String, seconds: Double? = nil, reason: String? = nil) {
        let kind = job.kind.rawValue
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
