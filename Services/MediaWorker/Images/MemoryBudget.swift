import DequeModule
import Foundation
import Synchronization

/// Memory that the pictures under way share, so that together they do not take what one alone may.
///
/// Who asks first gets first; who asks for more than there is gets all of it, alone.
final class MemoryBudget: Sendable {
    private struct Waiting {
        let id: UUID
        let bytes: Int64
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var free: Int64
        var waiting: Deque<Waiting> = []

        /// Those whose turn has come, taken from the queue.
        mutating func admit() -> [Waiting] {
            var admitted: [Waiting] = []
            while let first = waiting.first, first.bytes <= free {
                free -= first.bytes
                admitted.append(waiting.removeFirst())
            }
            return admitted
        }
    }

    let total: Int64
    private let state: Mutex<State>

    init(bytes: Int64) {
        total = max(1, bytes)
        state = Mutex(State(free: total))
    }

    /// Waits for `bytes`; they are the caller's until it gives the result to `release`. Throws only if the task was
    /// cancelled meanwhile; then nothing is the caller's.
    func reserve(_ bytes: Int64) async throws(CancellationError) -> Int64 {
        let wanted = min(max(0, bytes), total)
        let id = UUID()
        do {
            try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    let admitted = state.withLock { state in
                        state.waiting.append(Waiting(id: id, bytes: wanted, continuation: continuation))
                        return state.admit()
                    }
                    for next in admitted { next.continuation.resume() }
                    // Cancelled before it waited, there was nothing to take away then.
                    if Task.isCancelled { withdraw(id) }
                }
            } onCancel: {
                withdraw(id)
            }
        } catch {
            throw CancellationError()
        }
        return wanted
    }

    func release(_ bytes: Int64) {
        let admitted = state.withLock { state in
            state.free += bytes
            return state.admit()
        }
        for next in admitted { next.continuation.resume() }
    }

    /// How many wait.
    var waiting: Int { state.withLock { $0.waiting.count } }

    private func withdraw(_ id: UUID) {
        let (withdrawn, admitted) = state.withLock { state -> (Waiting?, [Waiting]) in
            guard let place = state.waiting.firstIndex(where: { $0.id == id }) else { return (nil, []) }
            return (state.waiting.remove(at: place), state.admit())
        }
        withdrawn?.continuation.resume(throwing: CancellationError())
        for next in admitted { next.continuation.resume() }
    }
}

extension MemoryBudget {
    /// Two thirds of what this process may have: of its container's limit, or of the machine's memory without one.
    static var defaultBytes: Int64 {
        let machine = Int64(clamping: ProcessInfo.processInfo.physicalMemory)
        let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].compactMap { path in
            FileManager.default.contents(atPath: path).flatMap { bytes in
                Int64(String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
            }
        }
        return limits.filter { $0 > 0 }.reduce(machine, min) / 3 * 2
    }
}
