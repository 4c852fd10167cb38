import CLinux
import Foundation
import Glibc
import Models

/// A file that is being written: gone, with its bytes, when this value is, unless it was given a name of its own.
///
/// It has no name, or one in `spool/` where the file system knows no files without a name; or that of a resumable upload,
/// which stays. One that has a name is locked for as long as this value, or its process, lives.
struct TemporaryFile: ~Copyable, Sendable {
    /// Ends the names of those that go with their process.
    static let suffix = ".upload"

    let descriptor: Int32
    private let directory: Directory
    /// Nil if it has none, or one that stays.
    private let name: String?

    /// Makes an empty one.
    init(in directory: Directory, unnamed: Bool) throws(StorageError) {
        let opened = unnamed ? (nil, try Self.openUnnamed(in: directory)) : try Self.openNamed(in: directory)
        self.directory = directory
        (name, descriptor) = opened
    }

    /// Makes or opens one whose name stays; nil if another open file has the lock. Throws `missing` if there is none to
    /// open.
    init?(locking name: String, in directory: Directory, creating: Bool) throws(StorageError) {
        try Directory.check(name)
        guard let descriptor = try Self.openLocked(name, in: directory, creating: creating) else { return nil }
        self.descriptor = descriptor
        self.directory = directory
        self.name = nil
    }

    deinit {
        // A failure leaves a name without a lock, which the next start removes.
        if let name { unlinkat(directory.descriptor, name, 0) }
        // Closing alone does not drop a lock while a child that was forked this moment still has its copy.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    borrowing func status() throws(StorageError) -> FileStatus {
        try FileStatus(of: descriptor, directory.path)
    }

    /// Takes blocks for bytes that are to come, so that a lack of room shows before them. The file's size stays.
    borrowing func reserve(_ bytes: Int64, at offset: Int64) throws(StorageError) {
        guard bytes > 0 else { return }
        // Not posix_fallocate: where a file system cannot do it, that writes into every block.
        let result = uninterrupted { fallocate(descriptor, FALLOC_FL_KEEP_SIZE, off_t(offset), off_t(bytes)) }
        guard result == 0 || errno == EOPNOTSUPP else { throw .last("fallocate", directory.path) }
    }

    /// Writes all of the bytes.
    borrowing func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StorageError) {
        var rest = bytes[...]
        var offset = off_t(offset)
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let count = uninterrupted { pwrite(descriptor, part.baseAddress, part.count, offset) }
            guard count > 0 else {
                throw count == 0 ? StorageError(errno: ENOSPC, "write", directory.path) : .last("write", directory.path)
            }
            rest = rest.dropFirst(count)
            offset += off_t(count)
        }
    }

    /// Sends a range on its way to the disk and does not wait for it.
    borrowing func startWriteBack(from start: Int64, to end: Int64) throws(StorageError) {
        let result = uninterrupted {
            sync_file_range(descriptor, off_t(start), off_t(end - start), UInt32(SYNC_FILE_RANGE_WRITE))
        }
        // Only speed is lost where the file system cannot do it.
        guard result == 0 || errno == ENOSYS || errno == EINVAL || errno == ESPIPE else {
            throw .last("sync_file_range", directory.path)
        }
    }

    /// Puts the bytes on stable storage. Never retried: after a failure the kernel may have dropped the pages and call the
    /// next sync a success.
    borrowing func sync() throws(StorageError) {
        guard fdatasync(descriptor) == 0 else { throw .last("fdatasync", directory.path) }
    }

    /// Gives back what lies beyond `bytes`, reserved or written.
    borrowing func truncate(to bytes: Int64) throws(StorageError) {
        guard uninterrupted({ ftruncate(descriptor, off_t(bytes)) }) == 0 else {
            throw .last("ftruncate", directory.path)
        }
    }

    /// Whether the file system lets another file share this one's blocks.
    borrowing func canBeCloned(in directory: Directory) throws(StorageError) -> Bool {
        let other = try TemporaryFile(in: directory, unnamed: name == nil)
        return linux_clone_start(descriptor, 0, other.descriptor, 0) == 0
    }

    /// Gives the file, which is on stable storage, a name in another directory of its volume; false if something has that
    /// name.
    ///
    /// Where a pool of disks (mergerfs) links only within a directory, it is a copy that gets the name, and is on stable
    /// storage before it does.
    borrowing func link(as newName: String, in target: Directory) throws(StorageError) -> Bool {
        let result = name(newName, in: target)
        guard result == EXDEV else { return try Self.isLinked(result, newName, target) }
        guard try target.status(newName) == nil else { return false }
        let copy = try TemporaryFile.copy(of: descriptor, in: target)
        return try Self.isLinked(copy.name(newName, in: target), newName, target)
    }

    /// Gives the file a name in its own directory, in place of whatever has it.
    consuming func replace(_ newName: String) throws(StorageError) {
        guard let name, renameat(directory.descriptor, name, directory.descriptor, newName) == 0 else {
            throw .last("rename", "\(directory.path)/\(newName)")
        }
    }

    /// The error number; 0 if it has the name.
    private borrowing func name(_ newName: String, in target: Directory) -> Int32 {
        let result =
            if let name {
                linkat(directory.descriptor, name, target.descriptor, newName, 0)
            } else {
                linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", target.descriptor, newName, AT_SYMLINK_FOLLOW)
            }
        return result == 0 ? 0 : errno
    }

    private static func isLinked(_ result: Int32, _ name: String, _ target: Directory) throws(StorageError) -> Bool {
        guard result == 0 || result == EEXIST else {
            throw StorageError(errno: result, "link", "\(target.path)/\(name)")
        }
        return result == 0
    }

    /// Copies an open file beside where the copy will stay, and puts it on stable storage. If the process dies meanwhile,
    /// the collector removes what it has left.
    static func copy(of source: Int32, in directory: Directory) throws(StorageError) -> TemporaryFile {
        let copy = try TemporaryFile(in: directory, unnamed: false)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var offset: Int64 = 0
        while true {
            let count = uninterrupted { pread(source, buffer.baseAddress, buffer.count, off_t(offset)) }
            guard count >= 0 else { throw .last("read", directory.path) }
            guard count > 0 else { break }
            try copy.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: offset)
            offset += Int64(count)
        }
        try copy.sync()
        return copy
    }
}

extension TemporaryFile {
    private static func openUnnamed(in directory: Directory) throws(StorageError) -> Int32 {
        let descriptor = uninterrupted { linux_open_unnamed(directory.descriptor, 0o640) }
        guard descriptor >= 0 else { throw .last("open", directory.path) }
        return descriptor
    }

    private static func openNamed(in directory: Directory) throws(StorageError) -> (String?, Int32) {
        // A process that starts in between may take the lock first and remove the name: then another name.
        var failure = StorageError(errno: EWOULDBLOCK, "flock", directory.path)
        for _ in 0..<10 {
            let name = UUID().uuidString.lowercased() + suffix
            do throws(StorageError) {
                if let descriptor = try openLocked(name, in: directory, creating: true) { return (name, descriptor) }
            } catch {
                guard error.kind == .missing else { throw error }
                failure = error
            }
            unlinkat(directory.descriptor, name, 0)
        }
        throw failure
    }

    /// Nil if another open file has the lock; `missing` if who had it before has removed the name.
    private static func openLocked(
        _ name: String,
        in directory: Directory,
        creating: Bool
    ) throws(StorageError) -> Int32? {
        let path = "\(directory.path)/\(name)"
        let flags = (creating ? O_CREAT | O_EXCL : 0) | O_RDWR | O_NOFOLLOW | O_CLOEXEC
        let descriptor = uninterrupted { openat(directory.descriptor, name, flags, 0o640) }
        guard descriptor >= 0 else { throw .last("open", path) }
        do throws(StorageError) {
            guard uninterrupted({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else { throw .last("flock", path) }
            guard try FileStatus(of: descriptor, path).hasName else { throw StorageError(.missing, path) }
            return descriptor
        } catch {
            close(descriptor)
            guard case .io(EWOULDBLOCK, _) = error.kind else { throw error }
            return nil
        }
    }
}

/// What has been written to an upload's file, and the sums of it.
struct UploadContent: ~Copyable, Sendable {
    /// Dirty pages beyond this are sent to the disk early, so that a sync has little left to do.
    private static let writeBackStep: Int64 = 8 << 20
    /// How far ahead of the bytes that have come blocks are taken: what a client only declares takes no room of others.
    static let window: Int64 = 32 << 20

    let kind: UploadFile.Kind
    private let file: TemporaryFile
    private let volume: Volume
    /// Bytes the file is said to have; 0 if nobody has said so.
    private var declared: Int64
    /// Bytes it has blocks for, of those that are declared.
    private var taken: Int64 = 0
    private let reserve: Int64
    private var sums = RunningSums()
    private var sentToDisk: Int64 = 0
    private var failure: StorageError?
    /// Whether the disk has, or will have with the next sync, all that the sums are of.
    private var isIntact = true

    init(_ kind: UploadFile.Kind, _ file: consuming TemporaryFile, on volume: Volume, declared: Int64, reserve: Int64) {
        self.kind = kind
        self.file = file
        self.volume = volume
        self.declared = declared
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
        let status = try file.status()
        guard status.size >= sums.bytes else { throw StorageError(.missing, volume.spool.path) }
        self.sums = sums
        declared = bytes
        taken = status.allocated
        sentToDisk = sums.bytes
    }

    /// Requires room for all of `bytes`, and takes none of it; nil asks for room to begin with.
    mutating func expect(_ bytes: Int64?) throws(StorageError) {
        guard let bytes else { return try requireRoom(for: Self.writeBackStep) }
        let missing = bytes - (try file.status().allocated)
        if missing > 0 { try requireRoom(for: missing) }
        declared = max(declared, bytes)
    }

    /// Takes blocks for the first of the declared bytes.
    mutating func takeFirstWindow() throws(StorageError) {
        try takeWindow(upTo: min(declared, Self.window))
    }

    /// Gives back the blocks beyond the bytes that were written; whoever goes on takes others.
    mutating func giveBack() throws(StorageError) {
        guard taken > sums.bytes else { return }
        try file.truncate(to: sums.bytes)
        taken = sums.bytes
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

    /// Ends the file. Without `startingWriteBack`, for one that is synced at once, the bytes of a whole one stay where they
    /// are until then.
    consuming func finish(startingWriteBack: Bool = true) throws(StorageError) -> FinishedFile {
        if let failure { throw failure }
        guard let digest = sums.digest else { throw StorageError(errno: EINVAL, "sha256", volume.spool.path) }
        switch kind {
        case .whole:
            try giveBack()
            if startingWriteBack { try file.startWriteBack(from: sentToDisk, to: sums.bytes) }
        case .resumable:
            try file.truncate(to: sums.bytes)
            try file.sync()
        }
        let stored = StoredFile(volume: volume.name, sha256: digest, crc32: sums.crc32, bytes: sums.bytes)
        return FinishedFile(file: file, kind, volume: volume, stored: stored)
    }

    private mutating func append(_ piece: UnsafeRawBufferPointer) -> Result<Void, StorageError> {
        do throws(StorageError) {
            try takeWindow(upTo: min(declared, sums.bytes + Int64(piece.count)))
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
        // For bytes nobody has declared no blocks are taken ahead. A resumable upload leaves room for one step more, so
        // that however often it is gone on with, the reserve stays.
        if sums.bytes > declared { try requireRoom(for: kind == .whole ? 0 : Self.writeBackStep) }
    }

    /// Takes blocks for the bytes up to `end`, which are declared, and for those of a window behind it as far as there
    /// is room.
    private mutating func takeWindow(upTo end: Int64) throws(StorageError) {
        taken = max(taken, sums.bytes)
        guard end > taken else { return }
        do throws(StorageError) {
            let needed = end - taken
            taken += try volume.takeRoom(
                min(declared - taken, max(needed, Self.window)),
                atLeast: needed,
                leaving: reserve
            ) { bytes throws(StorageError) in try file.reserve(bytes, at: taken) }
        } catch {
            // It may have got some of them.
            try giveBack()
            throw error
        }
    }

    private func requireRoom(for bytes: Int64) throws(StorageError) {
        guard try volume.free() - bytes >= reserve else { throw StorageError(.full, volume.name) }
    }
}
