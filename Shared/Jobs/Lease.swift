import Database
public import Logging
import Models

/// What a worker holds while it works: the right to finish one attempt of one job.
public struct Lease: Sendable {
    static let length: Duration = .seconds(60)
    static let renewal: Duration = .seconds(15)

    /// The claimed job.
    public let job: ClaimedJob
    let database: Database
    /// Names the job in every line.
    public let logger: Logger

    /// Puts how far the work is (0…1) on the row. A row that cannot be reached now is not an error: it is only shown.
    public func report(progress: Double) async {
        do {
            _ = try await database.run(JobQueries.progress(job.id, job.fence, min(max(progress, 0), 1)))
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
                guard try await database.first(JobQueries.renew(job.id, job.fence)) != nil else { return }
                held = asked
            } catch {
                if Task.isCancelled { throw CancellationError() }
                logger.warning("The lease could not be renewed yet", metadata: ["error": "\(error)"])
            }
        }
    }
}
