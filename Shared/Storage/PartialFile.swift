import Blocking
import Glibc
import Synchronization

/// The bytes of an upload that comes in several requests: `spool/uploads/<name>`, written by its holder alone.
///
/// Where it stands is the caller's to remember: what lies beyond the sums it was opened with counts for nothing and is
/// overwritten. While one piece is hashed and written on a thread of the storage, the next may be received.
public final class PartialFile: Sendable {
    /// The volume it lies on, and will stay on.
    public let volume: Volume

    private let threads: BlockingThreads
    private let content: Mutex<PartialContent?>
    private let underway = Mutex<Task<StorageError?, Never>?>(nil)

    init(_ content: consuming PartialContent, on volume: Volume, threads: BlockingThreads) {
        self.volume = volume
        self.threads = threads
        self.content = Mutex(content)
    }

    /// Goes on where the sums are taken from.
    ///
    /// - Parameters:
    ///   - sums: Of the bytes that count.
    ///   - bytes: The declared length, for which there is room already; nil if it is not known.
    /// - Throws: `missing` if the file has fewer bytes than the sums are of; `io`.
    public func resume(at sums: RunningSums, expecting bytes: Int64?) async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            try self.content.withLock { content throws(StorageError) in
                guard try content?.resume(at: sums, expecting: bytes ?? 0) != nil else { throw self.ended }
            }
        }
    }

    /// Makes sure that there is room before the bytes come: takes blocks for those that have none.
    ///
    /// - Parameter bytes: What the file will have, as far as that is known; nil if more comes and nobody knows how much.
    /// - Throws: `full` if the volume's reserve would be used up; the file is as it was. `io`.
    public func reserve(_ bytes: Int64?) async throws(StorageError) {
        try await settle()
        try await threads.run { () throws(StorageError) in
            try self.content.withLock { content throws(StorageError) in
                guard try content?.takeRoom(for: bytes) != nil else { throw self.ended }
            }
        }
    }

    /// Appends several pieces as one. Each call costs a change of threads: collect 512 KiB or more for one.
    ///
    /// It returns when the pieces before these are written. A failure to write these is thrown by the next call, or by
    /// `checkpoint()`.
    ///
    /// - Throws: `full` if the disk is, or if bytes beyond those there is room for would use up the volume's reserve:
    ///   nothing more is taken, and what came before can still be put on stable storage. `io`.
    public func append(pieces: [some Collection<UInt8> & Sendable]) async throws(StorageError) {
        try await settle()
        let step = Task.immediate { await threads.run { self.write(pieces) } }
        underway.withLock { $0 = step }
    }

    /// Puts what has been written so far on stable storage. It may be called while more is appended.
    ///
    /// A failed sync is never retried: afterwards the file can only be opened again at an older standing.
    ///
    /// - Returns: The sums of at least what was written before the call; they may be remembered.
    public func checkpoint() async throws(StorageError) -> RunningSums {
        try await threads.run { () throws(StorageError) -> RunningSums in
            // The lock is not held during the sync: the next piece does not wait for the disk.
            let (sums, descriptor) = try self.content.withLock { content throws(StorageError) in
                guard content != nil, let standing = content?.standing else { throw self.ended }
                return standing
            }
            guard fdatasync(descriptor) == 0 else {
                let error = StorageError.last("fdatasync", self.volume.spool.path)
                self.content.withLock { $0?.lose(error) }
                throw error
            }
            return sums
        }
    }

    /// Waits until everything appended is written, which need not be on stable storage yet, and gives its sums.
    public func sums() async throws(StorageError) -> RunningSums {
        try await settle()
        return try content.withLock { content throws(StorageError) in
            guard content != nil, let standing = content?.standing else { throw ended }
            return standing.0
        }
    }

    /// The first bytes, as far as they are there.
    public func prefix(_ count: Int) async throws(StorageError) -> [UInt8] {
        try await bytes(at: 0, count)
    }

    /// Bytes from the middle, fewer at the end.
    public func bytes(at offset: Int64, _ count: Int) async throws(StorageError) -> [UInt8] {
        try await settle()
        return try await threads.run { () throws(StorageError) -> [UInt8] in
            try self.content.withLock { content throws(StorageError) in
                guard let bytes = try content?.read(at: offset, count) else { throw self.ended }
                return bytes
            }
        }
    }

    /// Ends the file: gives back what was reserved beyond its bytes, and puts the rest on stable storage.
    ///
    /// It keeps its name in `spool/uploads/`, and stays locked until the result is dropped.
    ///
    /// - Returns: What `LocalStorage.place` gives its address. Nothing may be appended afterwards, by anybody.
    public func finish() async throws(StorageError) -> FinishedSpool {
        try await settle()
        return try await threads.run { () throws(StorageError) -> FinishedSpool in
            guard let content = self.content.withLock({ $0.take() }) else { throw self.ended }
            return try content.finish(on: self.volume)
        }
    }

    /// Lets go of the file and its lock, so that another may open it.
    public func close() async {
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
                content?.stop(error)
                return error
            }
        }
    }

    private var ended: StorageError {
        StorageError(errno: EBADF, "append", volume.spool.path)
    }
}
