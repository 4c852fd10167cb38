import Blocking
import Glibc
public import Models
import Synchronization

/// The bytes of one upload on their way to the disk, written by one task.
///
/// A *whole* upload comes in one request. Until it is placed its file has no name, so that a crash, a cut connection or a
/// dropped reference leaves nothing. A *resumable* one comes in several: its file has a name and a lock, and lives until
/// it is removed. Where it stands is the caller's to remember: what lies beyond the sums it was resumed at counts for
/// nothing and is overwritten.
///
/// While one piece is hashed and written on a thread of the storage, the next may be received: at most two are in memory.
public final class UploadFile: Sendable {
    enum Kind {
        case whole
        case resumable
    }

    /// The volume it lies on, and will stay on.
    public let volume: Volume

    private let threads: BlockingThreads
    private let content: Mutex<UploadContent?>
    private let underway = Mutex<Task<StorageError?, Never>?>(nil)

    init(_ content: consuming UploadContent, on volume: Volume, threads: BlockingThreads) {
        self.volume = volume
        self.threads = threads
        self.content = Mutex(content)
    }

    /// Goes on where the sums, of the bytes that count, were taken. For a resumable upload that was just opened; there
    /// is room already for the declared length (`bytes`). Throws `missing` if the file has fewer bytes than the sums
    /// are of; `io`.
    public func resume(at sums: RunningSums, expecting bytes: Int64?) async throws(StorageError) {
        try await withContent { content throws(StorageError) in try content.resume(at: sums, expecting: bytes ?? 0) }
    }

    /// Makes sure that there is room for the whole file before its bytes come; `bytes` is nil if its length is unknown.
    /// Takes blocks for those that have none. Throws `full`, with the file as it was, if the volume's reserve would be
    /// used up; `io`.
    public func reserve(_ bytes: Int64?) async throws(StorageError) {
        try await settle()
        try await withContent { content throws(StorageError) in try content.takeRoom(for: bytes) }
    }

    /// Appends several pieces as one. Each call costs a change of threads: collect 512 KiB or more for one.
    ///
    /// It returns when the pieces before these are written. A failure to write these is thrown by the next call. After a
    /// failure nothing more is taken: the space of a whole upload is free again, while what came before to a resumable
    /// one can still be put on stable storage.
    ///
    /// - Parameter pieces: They are not copied if each lies in one block of memory, as `[UInt8]`, `Data` and
    ///   `ByteBufferView` do.
    /// - Throws: `full` if the disk is, or if bytes beyond those there is room for would use up the volume's reserve;
    ///   `io` for anything else.
    public func append(pieces: [some Collection<UInt8> & Sendable]) async throws(StorageError) {
        try await settle()
        let step = Task.immediate { await threads.run { self.write(pieces) } }
        underway.withLock { $0 = step }
    }

    /// Puts what has been written so far on stable storage. It may be called while more is appended. The sums are of at
    /// least what was written before the call; they may be recorded.
    ///
    /// A failed sync is never retried: afterwards a resumable upload can only be opened again at an older standing.
    public func checkpoint() async throws(StorageError) -> RunningSums {
        try await threads.run { () throws(StorageError) -> RunningSums in
            // The lock is not held during the sync: the next piece does not wait for the disk.
            let standing = try self.locked { content throws(StorageError) in content.standing }
            guard let (sums, descriptor) = standing else { throw self.ended }
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
        guard let (sums, _) = try locked({ content throws(StorageError) in content.standing }) else { throw ended }
        return sums
    }

    /// Bytes that have been appended, fewer at the end.
    public func bytes(at offset: Int64, count: Int) async throws(StorageError) -> [UInt8] {
        try await settle()
        return try await withContent { content throws(StorageError) in try content.read(at: offset, count) }
    }

    /// Ends the file: gives back what was reserved beyond its bytes. Nothing may be appended afterwards, by anybody.
    ///
    /// The bytes of a whole upload are then on their way to the disk; other files of its request may arrive until
    /// `LocalStorage.place` waits for all of them. Those of a resumable one are on stable storage; it keeps its name and
    /// stays locked until the result is dropped.
    public func finish() async throws(StorageError) -> FinishedFile {
        try await settle()
        return try await threads.run { () throws(StorageError) -> FinishedFile in
            guard let content = self.content.withLock({ $0.take() }) else { throw self.ended }
            return try content.finish()
        }
    }

    /// Lets go of the file. The space of a whole upload is free again; a resumable one may be opened by another.
    ///
    /// Dropping the last reference does the same, on whatever thread that happens. Nothing is done after `finish()`.
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
                if content?.kind == .whole { content = nil } else { content?.stop(error) }
                return error
            }
        }
    }

    private func withContent<Result: Sendable>(
        _ body: @escaping @Sendable (inout UploadContent) throws(StorageError) -> Result
    ) async throws(StorageError) -> Result {
        try await threads.run { () throws(StorageError) -> Result in try self.locked(body) }
    }

    private func locked<Result: Sendable>(
        _ body: (inout UploadContent) throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        try content.withLock { content throws(StorageError) in
            guard let result = try content?.access(body) else { throw ended }
            return result
        }
    }

    private var ended: StorageError {
        StorageError(errno: EBADF, "append", volume.spool.path)
    }
}

/// What has been written to an upload's file, and the sums of it.
struct UploadContent: ~Copyable, Sendable {
    /// Dirty pages beyond this are sent to the disk early, so that a sync has little left to do.
    private static let writeBackStep: Int64 = 8 << 20

    let kind: UploadFile.Kind
    private let file: TemporaryFile
    private let volume: Volume
    /// Bytes for which there is room already.
    private var expected: Int64
    private let reserve: Int64
    private var sums = RunningSums()
    private var sentToDisk: Int64 = 0
    private var failure: StorageError?
    /// Whether the disk has, or will have with the next sync, all that the sums are of.
    private var isIntact = true

    init(_ kind: UploadFile.Kind, _ file: consuming TemporaryFile, on volume: Volume, expected: Int64, reserve: Int64) {
        self.kind = kind
        self.file = file
        self.volume = volume
        self.expected = expected
        self.reserve = reserve
    }

    mutating func access<Result>(
        _ body: (inout UploadContent) throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        try body(&self)
    }

    /// The sums of what has been written, and the descriptor to sync; nil if nobody knows what the disk holds.
    var standing: (RunningSums, Int32)? { isIntact ? (sums, file.descriptor) : nil }

    /// Takes nothing more after a failed write. What was written before is still there if only room was lacking.
    mutating func stop(_ error: StorageError) {
        failure = failure ?? error
        if error.kind != .full { isIntact = false }
    }

    /// Takes nothing more after a failed sync: nobody knows what the disk holds.
    mutating func lose(_ error: StorageError) {
        failure = failure ?? error
        isIntact = false
    }

    mutating func resume(at sums: RunningSums, expecting bytes: Int64) throws(StorageError) {
        guard try file.status().size >= sums.bytes else { throw StorageError(.missing, volume.spool.path) }
        self.sums = sums
        expected = bytes
        sentToDisk = sums.bytes
    }

    /// Takes blocks for all of `bytes`, unless the file has them already; nil asks for room to begin with.
    mutating func takeRoom(for bytes: Int64?) throws(StorageError) {
        guard let bytes else { return try requireRoom(for: Self.writeBackStep) }
        let missing = bytes - (try file.status().allocated)
        if missing > 0 {
            try requireRoom(for: missing)
            do throws(StorageError) {
                try file.reserve(bytes)
            } catch {
                // It may have got some of them.
                try file.truncate(to: sums.bytes)
                throw error
            }
        }
        expected = max(expected, bytes)
    }

    /// Writes and sums up one piece.
    mutating func append(_ piece: some Collection<UInt8>) throws(StorageError) {
        if let failure { throw failure }
        let outcome = piece.withContiguousStorageIfAvailable { append(UnsafeRawBufferPointer($0)) }
        if case .failure(let error) = outcome ?? Array(piece).withUnsafeBytes({ append($0) }) { throw error }
    }

    func read(at offset: Int64, _ count: Int) throws(StorageError) -> [UInt8] {
        let wanted = Int(min(Int64(count), max(0, sums.bytes - offset)))
        var got = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
            got = wanted == 0 ? 0 : uninterrupted { pread(file.descriptor, buffer.baseAddress, wanted, off_t(offset)) }
            filled = max(0, got)
        }
        guard got >= 0 else { throw .last("read", volume.spool.path) }
        return bytes
    }

    consuming func finish() throws(StorageError) -> FinishedFile {
        if let failure { throw failure }
        guard let digest = sums.digest else { throw StorageError(errno: EINVAL, "sha256", volume.spool.path) }
        try file.truncate(to: sums.bytes)
        switch kind {
        case .whole: try file.startWriteBack(from: sentToDisk, to: sums.bytes)
        case .resumable: try file.sync()
        }
        let stored = StoredFile(volume: volume.name, sha256: digest, crc32: sums.crc32, bytes: sums.bytes)
        return FinishedFile(file: file, isSynced: kind == .resumable, volume: volume, stored: stored)
    }

    private mutating func append(_ piece: UnsafeRawBufferPointer) -> Result<Void, StorageError> {
        do throws(StorageError) {
            try file.write(piece, at: sums.bytes)
            sums.update(piece)
            if sums.bytes - sentToDisk >= Self.writeBackStep { try writeBack() }
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    private mutating func writeBack() throws(StorageError) {
        try file.startWriteBack(from: sentToDisk, to: sums.bytes)
        sentToDisk = sums.bytes
        switch kind {
        // Blocks beyond the declared length were not asked for when the volume was chosen.
        case .whole: if sums.bytes > expected { try requireRoom(for: 0) }
        // There is room left for one step more, so that however often an upload is gone on with, the reserve stays.
        case .resumable: if sums.bytes >= expected { try requireRoom(for: Self.writeBackStep) }
        }
    }

    private func requireRoom(for bytes: Int64) throws(StorageError) {
        guard try volume.free() - bytes >= reserve else { throw StorageError(.full, volume.name) }
    }
}

/// A whole file that has no place yet: `LocalStorage.place` puts it on stable storage and gives it one. Dropped before
/// that, what came in one request is gone.
public final class FinishedFile: Sendable {
    /// What the row says of it once it is placed.
    public let stored: StoredFile

    let volume: Volume
    private let file: TemporaryFile
    private let isSynced: Bool

    init(file: consuming TemporaryFile, isSynced: Bool, volume: Volume, stored: StoredFile) {
        self.file = file
        self.isSynced = isSynced
        self.volume = volume
        self.stored = stored
    }

    func sync() throws(StorageError) {
        if !isSynced { try file.sync() }
    }

    /// Gives the file its content address in a directory, or touches the file that has it already, so that a
    /// collector of old files sees it is wanted.
    func link(as name: String, in directory: Directory) throws(StorageError) {
        // A collector may remove the other file between the two calls.
        for _ in 0..<3 {
            if try file.link(as: name, in: directory) { return }
            guard let existing = try directory.status(name) else { continue }
            let path = "\(directory.path)/\(name)"
            guard existing.isRegular else { throw StorageError(.outsideVolume, path) }
            // Same digest, other size: the stored original is damaged and must not be taken for this one.
            guard existing.size == stored.bytes else { throw StorageError(errno: EEXIST, "link", path) }
            if utimensat(directory.descriptor, name, nil, AT_SYMLINK_NOFOLLOW) == 0 { return }
            guard errno == ENOENT else { throw .last("utimensat", path) }
        }
        throw StorageError(errno: EEXIST, "link", directory.path)
    }
}
