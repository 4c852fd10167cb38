import CLinux
import Foundation
import Glibc

/// A file that is being written: gone, with its bytes, when this value is, unless it was given a name of its own.
///
/// It has no name, or one in `spool/` where the file system knows no files without a name; or that of a resumable upload,
/// which stays. One that has a name is locked for as long as this value, or its process, lives.
struct TemporaryFile: ~Copyable, Sendable {
    /// Ends the names of those that go with their process.
    private static let suffix = ".upload"

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

    /// Takes blocks for `bytes` now, so that a lack of room shows before the bytes arrive. The file stays empty.
    borrowing func reserve(_ bytes: Int64) throws(StorageError) {
        guard bytes > 0 else { return }
        // Not posix_fallocate: where a file system cannot do it, that writes into every block.
        let result = uninterrupted { fallocate(descriptor, FALLOC_FL_KEEP_SIZE, 0, off_t(bytes)) }
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

    /// Gives the file a name in another directory of its volume; false if something has that name.
    borrowing func link(as newName: String, in target: Directory) throws(StorageError) -> Bool {
        let result =
            if let name {
                linkat(directory.descriptor, name, target.descriptor, newName, 0)
            } else {
                linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", target.descriptor, newName, AT_SYMLINK_FOLLOW)
            }
        if result == 0 { return true }
        guard errno == EEXIST else { throw .last("link", "\(target.path)/\(newName)") }
        return false
    }
}

extension TemporaryFile {
    /// Whether the file system knows files without a name.
    static func canBeUnnamed(in directory: Directory) throws(StorageError) -> Bool {
        do {
            close(try openUnnamed(in: directory))
            return true
        } catch {
            // EISDIR is the answer of kernels that take the flag for O_DIRECTORY.
            switch error.kind {
            case .io(EOPNOTSUPP, _), .io(EISDIR, _): return false
            default: throw error
            }
        }
    }

    /// Removes named files whose process is gone: the kernel has dropped its lock.
    static func removeAbandoned(in directory: Directory) throws(StorageError) {
        for name in try directory.names() where name.hasSuffix(suffix) {
            try unlessMissing { () throws(StorageError) in
                guard let descriptor = try openLocked(name, in: directory, creating: false) else { return }
                defer { close(descriptor) }
                try directory.remove(name)
            }
        }
    }

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
