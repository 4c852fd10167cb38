import Blocking
import Synchronization

/// The threads that work on one archive side by side.
struct CopyCrew: Sendable {
    /// Gives each number from 0 once, to whichever thread asks next.
    final class Turns: Sendable {
        private let count: Int
        private let taken = Atomic(0)

        init(count: Int) {
            self.count = count
        }

        /// The next number; nil when none is left.
        func next() -> Int? {
            let turn = taken.wrappingAdd(1, ordering: .relaxed).oldValue
            return turn < count ? turn : nil
        }
    }

    let threads: BlockingThreads
    let size: Int
    let interruption: Interruption

    /// Runs `body` on as many threads as there is work for, and returns when all have ended.
    ///
    /// - Parameters:
    ///   - count: How many turns there are.
    ///   - body: Takes turns until none is left, and calls `interruption.check()` often. It blocks.
    /// - Throws: The first error of any thread; `cancelled` if the task is and much is left to do.
    func share(
        _ count: Int,
        _ body: @escaping @Sendable (Turns) throws(ArchiveError) -> Void
    ) async throws(ArchiveError) {
        let turns = Turns(count: count)
        await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<min(count, max(1, size)) {
                    group.addTask { await run { () throws(ArchiveError) in try body(turns) } }
                }
            }
        } onCancel: {
            interruption.cancel()
        }
        try interruption.check()
    }

    /// Runs `body` on one thread and gives what it returns.
    func alone<Value: Sendable>(
        _ body: @escaping @Sendable () throws(ArchiveError) -> Value
    ) async throws(ArchiveError) -> Value {
        let result = Slots<Value>(count: 1)
        try await share(1) { _ throws(ArchiveError) in result[0] = try body() }
        guard let value = result[0] else { throw .cancelled }
        return value
    }

    private func run(_ body: @escaping @Sendable () throws(ArchiveError) -> Void) async {
        await threads.run {
            do throws(ArchiveError) {
                try interruption.check()
                try body()
            } catch {
                interruption.fail(error)
            }
        }
    }
}
