import Blocking
import Synchronization

/// The threads that work on one archive side by side.
struct CopyPool: Sendable {
    /// Gives each number from 0 once, to whichever thread asks next.
    final class Turns: Sendable {
        private let count: Int
        private let taken = Atomic(0)

        init(count: Int) {
            self.count = count
        }

        func next() -> Int? {
            let turn = taken.wrappingAdd(1, ordering: .relaxed).oldValue
            return turn < count ? turn : nil
        }
    }

    let threads: BlockingThreads
    let size: Int
    let progress: CopyProgress

    /// Runs `body` on as many threads as there is work for, and returns when all have ended.
    ///
    /// - Parameters:
    ///   - count: How many turns there are.
    ///   - body: Takes turns until none is left, and calls `progress.check()` often. It blocks.
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
            progress.cancel()
        }
        try progress.check()
    }

    /// Runs `body` on one thread and gives what it returns.
    func onOneThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws(ArchiveError) -> Value
    ) async throws(ArchiveError) -> Value {
        let result = OrderedResults<Value>(count: 1)
        try await share(1) { _ throws(ArchiveError) in result[0] = try body() }
        guard let value = result[0] else { throw .cancelled }
        return value
    }

    private func run(_ body: @escaping @Sendable () throws(ArchiveError) -> Void) async {
        await threads.run {
            do throws(ArchiveError) {
                try progress.check()
                try body()
            } catch {
                progress.fail(error)
            }
        }
    }
}

/// A place for the result of each turn, which the threads fill in any order.
final class OrderedResults<Value: Sendable>: Sendable {
    private let results: Mutex<[Value?]>

    init(count: Int) {
        results = Mutex(Array(repeating: nil, count: count))
    }

    subscript(index: Int) -> Value? {
        get { results.withLock { $0[index] } }
        set { results.withLock { $0[index] = newValue } }
    }

    /// The results that are there, in the order of their turns. None are left here.
    func take() -> [Value] {
        results.withLock { results in
            var values: [Value] = []
            values.reserveCapacity(results.count)
            for result in results { if let result { values.append(result) } }
            results = []
            return values
        }
    }
}

/// How much is left to copy, and whether the threads of an archive must stop: one has failed, or the task was cancelled
/// while much is left.
///
/// `Task.isCancelled` cannot say it: the threads run no task, and an archive that is nearly complete is finished after
/// a cancellation all the same.
final class CopyProgress: Sendable {
    private struct State {
        var error: ArchiveError?
        /// Known to be left to copy, in bytes.
        var left: Int64 = 0
        /// What may be copied beyond that; nil until the task is cancelled.
        var allowance: Int64?

        mutating func allow(_ bytes: Int64) {
            allowance = bytes
            if bytes < 0, error == nil { error = .cancelled }
        }
    }

    private let finishBytes: Int64
    private let state = Mutex(State())

    /// - Parameter finishBytes: What may be left to copy after a cancellation, in bytes.
    init(finishBytes: Int64) {
        self.finishBytes = finishBytes
    }

    /// Says how much is to be copied next.
    func begin(_ bytes: Int64) {
        state.withLock { state in
            state.left = bytes
            if let allowance = state.allowance { state.allow(allowance - bytes) }
        }
    }

    /// Says that some of it is done.
    func advance(_ bytes: Int64) {
        state.withLock { state in
            let known = min(bytes, state.left)
            state.left -= known
            // Text that is being made has no known size.
            if let allowance = state.allowance { state.allow(allowance - (bytes - known)) }
        }
    }

    /// The task was cancelled. What is begun goes on if little enough is left.
    func cancel() {
        state.withLock { state in
            if state.allowance == nil { state.allow(finishBytes - state.left) }
        }
    }

    /// The first failure is the one that counts.
    func fail(_ error: ArchiveError) {
        state.withLock { $0.error = $0.error ?? error }
    }

    /// Called between two chunks.
    func check() throws(ArchiveError) {
        if let error = state.withLock({ $0.error }) { throw error }
    }
}
