import Blocking
import FaultPoints
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

    /// Goes on where the sums, of the bytes that count, were taken. For a resumable upload that was just opened, of the
    /// declared length `bytes`. Throws `missing` if the file has fewer bytes than the sums are of; `io`.
    public func resume(at sums: RunningSums, expecting bytes: Int64?) async throws(StorageError) {
        try await withContent { content throws(StorageError) in try content.resume(at: sums, expecting: bytes ?? 0) }
    }

    /// Makes sure that there is room for the whole file before its bytes come; `bytes` is nil if its length is unknown.
    /// The room stays free for everybody: blocks are taken as bytes come, some ahead of them. Throws `full`, with the
    /// file as it was, if the volume's reserve would be used up; `io`.
    public func expect(_ bytes: Int64?) async throws(StorageError) {
        try await settle()
        try await withContent { content throws(StorageError) in try content.expect(bytes) }
    }

    /// Appends several pieces as one. Each call costs a change of threads: collect 512 KiB or more for one.
    ///
    /// It returns when the pieces before these are written. A failure to write these is thrown by the next call. After a
    /// failure nothing more is taken: the space of a whole upload is free again, while what came before to a resumable
    /// one can still be put on stable storage.
    ///
    /// - Parameter pieces: They are not copied if each lies in one block of memory, as `[UInt8]`, `Data` and
    ///   `ByteBufferView` do.
    /// - Throws: `full` if the disk is, or if more would use up the volume's reserve; `io` for anything else.
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

    /// Lets go of the file. The space of a whole upload is free again; of a resumable one, which may then be opened by
    /// another, only what was taken ahead of its bytes.
    ///
    /// Dropping the last reference lets go of it too, on whatever thread that happens. Nothing is done after `finish()`.
    public func close() async {
        let step = underway.withLock { $0.take() }
        _ = await step?.value
        await threads.run {
            self.content.withLock { content in
                // What cannot be given back now goes when the upload is finished or removed.
                if content?.kind == .resumable { try? content?.giveBack() }
                content = nil
            }
        }
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

/// A whole file that has no place yet: `LocalStorage.place` puts it on stable storage and gives it one.
public enum UnplacedFile: Sendable {
    case written(FinishedFile)
    /// Small, and not on any disk yet: it is written where it is placed, on the same thread.
    case held([UInt8])

    public var bytes: Int64 {
        switch self {
        case .written(let file): file.stored.bytes
        case .held(let bytes): Int64(bytes.count)
        }
    }

    /// Computed each time of what is held.
    public var sha256: SHA256Digest? {
        switch self {
        case .written(let file): return file.stored.sha256
        case .held(let bytes):
            var sums = RunningSums()
            bytes.withUnsafeBytes { sums.update($0) }
            return sums.digest
        }
    }
}

/// A whole file in the spool. Dropped before it is placed, what came in one request is gone.
public final class FinishedFile: Sendable {
    /// What the row says of it once it is placed.
    public let stored: StoredFile

    let volume: Volume
    private let file: Mutex<TemporaryFile?>
    private let kind: UploadFile.Kind

    init(file: consuming TemporaryFile, _ kind: UploadFile.Kind, volume: Volume, stored: StoredFile) {
        self.file = Mutex(file)
        self.kind = kind
        self.volume = volume
        self.stored = stored
    }

    /// Those of resumable uploads have been synced.
    func sync() throws(StorageError) {
        guard kind == .whole else { return }
        try file.withLock { file throws(StorageError) in
            guard try file?.sync() != nil else { throw ended }
        }
    }

    /// Lets go of what came in one request: without a place its bytes are gone, which takes as long as there are many.
    func close() {
        if kind == .whole { file.withLock { $0 = nil } }
    }

    /// Gives the file its content address in a directory, or touches the file that has it already, so that a
    /// collector of old files sees it is wanted.
    func link(as name: String, in directory: Directory) throws(StorageError) {
        // A collector may remove the other file between the two calls.
        for _ in 0..<3 {
            let isLinked = try file.withLock { file throws(StorageError) in
                guard let isLinked = try file?.link(as: name, in: directory) else { throw ended }
                return isLinked
            }
            if isLinked { return }
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

    private var ended: StorageError { StorageError(errno: EBADF, "link", volume.spool.path) }
}

/// The files of uploads.
extension LocalStorage {
    /// Makes the file of an upload that comes in one request, on the first volume with room. Throws `full` if there is
    /// none; `io`.
    ///
    /// There is room for the declared length (`bytes`; nil if unknown), but blocks are taken for its first bytes alone,
    /// and for others as bytes come. Volumes with less room than `most` come last, since the file cannot move once it
    /// has begun.
    public func makeUpload(expecting bytes: Int64?, upTo most: Int64? = nil) async throws(StorageError) -> UploadFile {
        let bytes = max(0, bytes ?? 0)
        return try await threads.run { () throws(StorageError) -> UploadFile in
            try onFirst(of: try candidates(for: bytes, upTo: most)) { volume throws(StorageError) in
                let file = try TemporaryFile(in: volume.spool, unnamed: volume.hasUnnamedFiles)
                var content = UploadContent(.whole, file, on: volume, declared: bytes, reserve: reserve)
                try content.takeFirstWindow()
                return UploadFile(content, on: volume, threads: threads)
            }
        }
    }

    /// Makes the file of an upload that comes in several requests, as `makeUpload(expecting:upTo:)` does, and locks it.
    /// No blocks are taken yet: its bytes may come much later, or never. Its name is new, and durable when this returns;
    /// after an error no name stays.
    public func makeUpload(
        _ id: UploadID,
        expecting bytes: Int64?,
        upTo most: Int64? = nil
    ) async throws(StorageError) -> UploadFile {
        let bytes = max(0, bytes ?? 0)
        return try await threads.run { () throws(StorageError) -> UploadFile in
            try onFirst(of: try candidates(for: bytes, upTo: most)) { volume throws(StorageError) in
                let directory = try volume.durableDirectory(StorageLayout.uploads)
                let name = id.description
                guard let file = try TemporaryFile(locking: name, in: directory, creating: true) else {
                    throw StorageError(errno: EWOULDBLOCK, "flock", "\(directory.path)/\(name)")
                }
                do throws(StorageError) {
                    try directory.sync()
                } catch {
                    try directory.remove(name)
                    throw error
                }
                let content = UploadContent(.resumable, file, on: volume, declared: bytes, reserve: reserve)
                return UploadFile(content, on: volume, threads: threads)
            }
        }
    }

    /// Opens the file of an upload that comes in several requests and locks it; nil if another holds the lock, which
    /// the kernel drops with its process. It stands at its beginning: `resume` tells where it goes on, once the caller
    /// has read what nobody else can change any more. Throws `missing` if it is gone; `unknownVolume`; `io`.
    public func lockUpload(_ id: UploadID, on volume: String) async throws(StorageError) -> UploadFile? {
        let volume = try self.volume(named: volume)
        return try await threads.run { () throws(StorageError) -> UploadFile? in
            let directory = try volume.directory(StorageLayout.uploads)
            guard let file = try TemporaryFile(locking: id.description, in: directory, creating: false) else {
                return nil
            }
            let content = UploadContent(.resumable, file, on: volume, declared: 0, reserve: reserve)
            return UploadFile(content, on: volume, threads: threads)
        }
    }

    /// Removes the file of an upload; it is no error if there is none. A writer that has it open may go on, without
    /// effect.
    public func removeUpload(_ id: UploadID, on volume: String) async throws(StorageError) {
        let volume = try self.volume(named: volume)
        try await threads.run { () throws(StorageError) in
            try volume.remove(StorageLayout.uploads + [id.description])
        }
    }

    /// Removes the file of an upload unless somebody holds its lock; says whether it is gone. No file is no error.
    public func removeUnlockedUpload(_ id: UploadID, on volume: String) async throws(StorageError) -> Bool {
        do throws(StorageError) {
            guard let file = try await lockUpload(id, on: volume) else { return false }
            try await removeUpload(id, on: volume)
            await file.close()
            return true
        } catch  where error.kind == .missing {
            return true
        }
    }

    /// Puts all files of one request on stable storage, gives them their places, and syncs each directory once. Returns
    /// what the rows say of them, in the same order. Throws `full`, `io`, or `outsideVolume` if something that is no
    /// file has a name.
    ///
    /// A file that is there already is the same bytes; that is no error. After an error some of them may be in place;
    /// without a row the collector removes them. What came in one request can be placed once only.
    public func place(_ files: [UnplacedFile], of company: CompanyID) async throws(StorageError) -> [StoredFile] {
        try await threads.run { () throws(StorageError) -> [StoredFile] in
            defer { close(files) }
            let files = try files.map { file throws(StorageError) in
                try written(file, startingWriteBack: files.count > 1)
            }
            // The first sync commits what the file system knows of all of them.
            for file in files { try file.sync() }
            FaultPoint.apiSynced.reach()
            var touched: [String: Directory] = [:]
            for file in files {
                let names = StorageLayout.original(of: company, file.stored.sha256)
                let directory = try file.volume.durableDirectory(names.dropLast())
                try file.link(as: file.stored.sha256.description, in: directory)
                touched[directory.path] = directory
            }
            for directory in touched.values { try directory.sync() }
            return files.map(\.stored)
        }
    }

    /// Writes what is held of some files, so that their memory is free. Throws as `makeUpload`.
    public func write(_ files: [UnplacedFile]) async throws(StorageError) -> [UnplacedFile] {
        try await threads.run { () throws(StorageError) -> [UnplacedFile] in
            try files.map { file throws(StorageError) in .written(try written(file)) }
        }
    }

    /// Frees the space of files that came in one request and get no place.
    public func discard(_ files: [UnplacedFile]) async {
        await threads.run { close(files) }
    }

    private func close(_ files: [UnplacedFile]) {
        for case .written(let file) in files { file.close() }
    }

    private func written(
        _ file: UnplacedFile,
        startingWriteBack: Bool = true
    ) throws(StorageError) -> FinishedFile {
        switch file {
        case .written(let file): return file
        case .held(let bytes):
            return try onFirst(of: try candidates(for: Int64(bytes.count))) { volume throws(StorageError) in
                let file = try TemporaryFile(in: volume.spool, unnamed: volume.hasUnnamedFiles)
                var content = UploadContent(.whole, file, on: volume, declared: 0, reserve: reserve)
                try content.append(bytes)
                return try content.finish(startingWriteBack: startingWriteBack)
            }
        }
    }
}
