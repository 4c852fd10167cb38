import Database
public import Logging
import Models

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

    /// Says on the row that the job is alone in its process. A row that cannot be reached now is not an error: the attempt
    /// then counts as one beside others.
    func standAlone() async {
        do {
            _ = try await database.run(JobStatements.standAlone(job.id, job.fence))
        } catch {
            logger.warning("Could not record that the job runs alone", metadata: ["error": "\(error)"])
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
