import Synchronization

/// What tells the threads of one archive to stop: a failure, or a cancellation that comes while much is left.
final class Interruption: Sendable {
    fileprivate struct State {
        var error: ArchiveError?
        /// Known to be left to copy, in bytes.
        var left: Int64 = 0
        /// What may be copied beyond that; nil until the task is cancelled.
        var allowance: Int64?
    }

    private let finishBytes: Int64
    private let state = Mutex(State())

    init(finishBytes: Int64) {
        self.finishBytes = finishBytes
    }

    /// Why the archive cannot go on; nil if it can.
    var error: ArchiveError? { state.withLock { $0.error } }

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

    /// Something failed; the first failure is the one that counts.
    func fail(_ error: ArchiveError) {
        state.withLock { $0.error = $0.error ?? error }
    }

    /// Called between two chunks.
    func check() throws(ArchiveError) {
        if let error { throw error }
    }
}

extension Interruption.State {
    fileprivate mutating func allow(_ bytes: Int64) {
        allowance = bytes
        if bytes < 0, error == nil { error = .cancelled }
    }
}
