import Blocking
import Glibc
import Synchronization

/// The bytes of one upload on their way to the disk; one task owns it.
///
/// Until it is placed the file has no name, so a crash, a cut connection or a dropped reference leaves
/// nothing. While one piece is hashed and written on a thread of the storage, the owner may receive the
/// next: at most two pieces are in memory.
public final class SpoolFile: Sendable {
    /// The volume it lies on, and will stay on.
    public let volume: Volume

    private let threads: BlockingThreads
    private let content: Mutex<SpoolContent?>
    private let underway = Mutex<Task<StorageError?, Never>?>(nil)

    init(on volume: Volume, expecting bytes: Int64, reserve: Int64, threads: BlockingThreads) throws(StorageError) {
        let file = try TemporaryFile(in: volume.spool, unnamed: volume.hasUnnamedFiles)
        try file.reserve(bytes)
        self.volume = volume
        self.threads = threads
        content = Mutex(SpoolContent(file: file, volume: volume, expected: bytes, reserve: reserve))
    }

    /// Appends the next bytes. Each call costs a change of threads: collect 512 KiB or more for one.
    ///
    /// It returns when the piece before this one is written. A failure to write this one is thrown by the next
    /// call or by `finish()`; after a failure only `discard()` does anything.
    ///
    /// - Parameter bytes: They are not copied if they lie in one block of memory, as `[UInt8]`, `Data` and
    ///   `ByteBufferView` do.
    /// - Throws: `full` if the disk is, or if bytes beyond the declared length would use up the volume's
    ///   reserve; `io` for anything else.
    public func append(_ bytes: some Collection<UInt8> & Sendable) async throws(StorageError) {
        try await append(pieces: [bytes])
    }

    /// Appends several pieces as one, without joining them first.
    public func append(pieces: [some Collection<UInt8> & Sendable]) async throws(StorageError) {
        try await settle()
        let step = Task.immediate { await threads.run { self.write(pieces) } }
        underway.withLock { $0 = step }
    }

    /// Ends the file: it can then be placed, and not appended to. Its bytes are on their way to the disk; other files may
    /// arrive until `LocalStorage.place` waits for all of them.
    public func finish() async throws(StorageError) -> FinishedSpool {
        try await settle()
        return try await threads.run { () throws(StorageError) -> FinishedSpool in
            guard let content = self.content.withLock({ $0.take() }) else { throw self.ended }
            return try content.finish()
        }
    }

    /// Gives the space back. Dropping the last reference does the same, on whatever thread that happens.
    public func discard() async {
        let step = underway.withLock { $0.take() }
        _ = await step?.value
        await threads.run { self.content.withLock { $0 = nil } }
    }

    private func settle() async throws(StorageError) {
        let step = underway.withLock { $0.take() }
        if let error = await step?.value { throw error }
    }

    private func write(_ pieces: [some Collection<UInt8>]) -> StorageError? {
        content.withLock { content in
            do throws(StorageError) {
                for piece in pieces {
                    guard try content?.append(piece) != nil else { throw ended }
                }
                return nil
            } catch {
                content = nil
                return error
            }
        }
    }

    private var ended: StorageError {
        StorageError(errno: EBADF, "append", volume.spool.path)
    }
}
