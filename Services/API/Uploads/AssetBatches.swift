import Database
import DequeModule
import Models
import Repositories
import Synchronization

/// Commits the rows of requests that end together in one transaction.
///
/// There is no timer: a request that ends while nothing is being committed goes at once, and those that end meanwhile are
/// the next batch.
final class AssetBatches: Sendable {
    /// Of one batch, unless a single request has more.
    private static let mostFiles = 128
    private static let mostCommits = 4

    /// What became of a request in its batch.
    private enum Outcome: Sendable {
        case accepted([Asset])
        case failed(DatabaseError)
        /// Nothing: it is tried by itself, and holds up or fails no other.
        case apart
    }

    private struct Request: Sendable {
        let new: NewAssets
        let answer: CheckedContinuation<Outcome, Never>
    }

    private struct State {
        var waiting: Deque<Request> = []
        var waitingFiles = 0
        var commits = 0

        mutating func takeBatch() -> [Request] {
            var batch: [Request] = []
            var files = 0
            while let next = waiting.first, batch.isEmpty || files + next.new.files.count <= AssetBatches.mostFiles {
                batch.append(next)
                files += next.new.files.count
                waiting.removeFirst()
            }
            waitingFiles -= files
            if batch.isEmpty { commits -= 1 }
            return batch
        }
    }

    private let assets: AssetRepository
    private let state = Mutex(State())

    init(_ assets: AssetRepository) {
        self.assets = assets
    }

    /// As `AssetRepository.accept`.
    func accept(_ new: NewAssets) async throws(DatabaseError) -> [Asset]? {
        let outcome = await withCheckedContinuation { answer in
            let begins = state.withLock { state in
                state.waiting.append(Request(new: new, answer: answer))
                state.waitingFiles += new.files.count
                // Another one beside those that are under way only for a whole batch: two halves would cost twice.
                guard state.commits == 0 || state.waitingFiles >= Self.mostFiles, state.commits < Self.mostCommits
                else {
                    return false
                }
                state.commits += 1
                return true
            }
            if begins { Task.immediate(executorPreference: EventLoopTasks.current) { await commitWaiting() } }
        }
        switch outcome {
        case .accepted(let accepted): return accepted
        case .failed(let error): throw error
        case .apart: return try await assets.accept(new)
        }
    }

    private func commitWaiting() async {
        while true {
            let batch = state.withLock { $0.takeBatch() }
            if batch.isEmpty { return }
            for (request, outcome) in zip(batch, await commit(batch)) { request.answer.resume(returning: outcome) }
        }
    }

    private func commit(_ batch: [Request]) async -> [Outcome] {
        do throws(DatabaseError) {
            return try await assets.accept(together: batch.map(\.new)).map { $0.map(Outcome.accepted) ?? .apart }
        } catch {
            // What the server refuses is one request's fault.
            let isOfOne = error.sqlState != nil && batch.count > 1
            return batch.map { _ in isOfOne ? .apart : .failed(error) }
        }
    }
}
