public import Database
public import Foundation
public import Logging
public import Messaging
import Metrics
public import Models
public import ServiceLifecycle
import Synchronization

/// Tells the broker about jobs whose rows are committed.
///
/// Nobody waits for it: a job it cannot announce, or forgets because the process dies, is found by the
/// ``Sweeper`` half a minute after its commit. What piles up while a batch is being confirmed goes out as the
/// next batch, so load makes batches larger, not queues longer.
public final class JobPublisher: Service {
    /// Above this many the sweeper's next rounds do the work: the rows are the queue, not this buffer.
    static let capacity = 10_000
    /// What was announced and not confirmed by then is announced again by the sweeper.
    private static let sweptAfterSeconds = 30.0

    private struct State {
        var waiting: [JobRow] = []
        var confirmed: [JobRow] = []
    }

    private let state = Mutex(State())
    private let wake: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation
    private let publisher: Publisher
    private let database: Database
    private let logger: Logger

    public init(publisher: Publisher, database: Database, logger: Logger) {
        self.publisher = publisher
        self.database = database
        self.logger = logger
        (wake, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Returns at once.
    public func announce(_ jobs: [JobRow]) {
        announce(jobs, wake: true)
    }

    private func announce(_ jobs: [JobRow], wake: Bool) {
        guard !jobs.isEmpty else { return }
        state.withLock { state in
            state.waiting.append(contentsOf: jobs.prefix(Self.capacity - state.waiting.count))
        }
        if wake { waker.yield() }
    }

    /// Queues the failed job of a subject again, with all its attempts; nil if it has none that failed.
    public func retry(subject: UUID) async throws(DatabaseError) -> JobID? {
        let requeued = try await database.run(
            JobStatements.requeue([subject], from: [.failed], announcingIn: Self.sweptAfterSeconds)
        )
        announce(requeued)
        return requeued.first?.id
    }

    /// Announces until the process is told to stop; then once more, for what the last requests left.
    public func run() async throws {
        for await _ in wake.cancelOnGracefulShutdown() {
            await announceWaiting()
        }
        await announceWaiting()
        await recordConfirmed()
    }

    /// Writes down which announcements the broker has confirmed, so that the sweeper leaves them alone.
    func recordConfirmed() async {
        let jobs = state.withLock { state in
            defer { state.confirmed = [] }
            return state.confirmed
        }
        guard !jobs.isEmpty else { return }
        do {
            _ = try await database.run(JobStatements.confirm(jobs.map(\.id), jobs.map(\.fence)))
        } catch {
            // They are announced once more than needed, and the second message finds nothing to claim.
            logger.warning("Confirmed announcements were not recorded", metadata: ["error": "\(error)"])
        }
    }

    /// Tries again what the broker did not take before; the sweeper calls it with every round.
    func announceRefused() {
        waker.yield()
    }

    private func announceWaiting() async {
        while true {
            let batch = state.withLock { state in
                defer { state.waiting = [] }
                return state.waiting
            }
            if batch.isEmpty { return }
            let results = await publisher.publish(batch.map { .job($0.id, of: $0.kind) })
            var confirmed: [JobRow] = []
            var refused: [JobRow] = []
            var reason: MessagingError?
            for (job, result) in zip(batch, results) {
                switch result {
                case .success: confirmed.append(job)
                case .failure(let error):
                    refused.append(job)
                    reason = error
                }
            }
            Counter(label: "tolva_jobs_announced_total").increment(by: confirmed.count)
            state.withLock { $0.confirmed.append(contentsOf: confirmed) }
            if let reason {
                announce(refused, wake: false)
                logger.warning(
                    "The broker did not take some announcements; they are repeated",
                    metadata: ["jobs": "\(refused.count)", "error": "\(reason)"]
                )
                return
            }
        }
    }
}
