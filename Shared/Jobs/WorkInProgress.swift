import Foundation
import Synchronization

/// What a process is doing right now: for its heartbeat, and so that a job can have the process to itself.
///
/// All workers of a process share one. A job that must be alone reserves the process: those at work end, each within the
/// limits of its kind, and no other begins until it has ended.
public final class WorkInProgress: Sendable {
    private static let pause = Duration.milliseconds(50)

    private let under = Mutex<[UUID: String]>([:])
    private let turns = Mutex<(begun: Int, isReserved: Bool)>((0, false))

    public init() {}

    /// Waits while the process is reserved.
    func begin() async throws(CancellationError) {
        try await wait {
            guard !$0.isReserved else { return false }
            $0.begun += 1
            return true
        }
    }

    /// Follows each `begin`.
    func end() { turns.withLock { $0.begun -= 1 } }

    /// Reserves the process for who has begun; false if another has.
    func reserve() -> Bool {
        turns.withLock { turns in
            defer { turns.isReserved = true }
            return !turns.isReserved
        }
    }

    /// Waits until nobody else is at work; for who has reserved the process.
    func untilAlone() async throws(CancellationError) {
        try await wait { $0.begun == 1 }
    }

    var isReserved: Bool { turns.withLock { $0.isReserved } }

    func release() { turns.withLock { $0.isReserved = false } }

    /// Asks again and again: it happens so seldom that no queue of its own is worth it.
    private func wait(
        until isSo: @Sendable (inout (begun: Int, isReserved: Bool)) -> Bool
    ) async throws(CancellationError) {
        while !turns.withLock({ isSo(&$0) }) {
            do { try await Task.sleep(for: Self.pause) } catch { throw CancellationError() }
        }
    }

    /// One line for each piece of work.
    public var lines: [String] { under.withLock { $0.values.sorted() } }

    func during<Result>(_ line: String, _ body: () async -> Result) async -> Result {
        let id = UUID()
        under.withLock { $0[id] = line }
        defer { _ = under.withLock { $0.removeValue(forKey: id) } }
        return await body()
    }
}
