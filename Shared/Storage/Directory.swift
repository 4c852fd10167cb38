import CLinux
import Foundation
import Glibc

/// An open directory of a volume.
///
/// Everything below it is reached from its descriptor, one name at a time and never through a symbolic
/// link, so no name leads out of the volume, and a disk that is unmounted under a running process is not
/// mistaken for the empty directory that appears in its place.
final class Directory: Sendable {
    let descriptor: Int32
    /// Absolute.
    let path: String

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// Opens the root of a volume. It may be a symbolic link: the operator wrote it.
    convenience init(root path: String) throws(StorageError) {
        let descriptor = uninterrupted { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw .last("open", path) }
        self.init(descriptor: descriptor, path: path)
    }

    func directory(_ name: String) throws(StorageError) -> Directory {
        try Self.check(name)
        let path = "\(self.path)/\(name)"
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let child = uninterrupted { openat(descriptor, name, flags) }
        if child < 0, errno == ENOTDIR { throw StorageError(.outsideVolume, path) }
        guard child >= 0 else { throw .last("open", path) }
        return Directory(descriptor: child, path: path)
    }

    /// Opens a directory and makes it first if there is none.
    func makeDirectory(_ name: String) throws(StorageError) -> (directory: Directory, isNew: Bool) {
        do throws(StorageError) {
            return (try directory(name), false)
        } catch  where error.kind == .missing {
            // It is made now.
        }
        let isNew = mkdirat(descriptor, name, 0o750) == 0
        guard isNew || errno == EEXIST else { throw .last("mkdir", "\(path)/\(name)") }
        return (try directory(name), isNew)
    }

    /// Puts the names in this directory on stable storage. A failed sync is never retried.
    func sync() throws(StorageError) {
        guard fsync(descriptor) == 0 else { throw .last("fsync", path) }
    }

    /// What stands under a name; nil if nothing does. A symbolic link is shown as itself.
    func status(_ name: String) throws(StorageError) -> FileStatus? {
        var status = stat()
        if fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { return FileStatus(status) }
        guard errno == ENOENT else { throw .last("stat", "\(path)/\(name)") }
        return nil
    }

    /// Removes a file, or a directory with all that is in it; it is no error if there is nothing.
    func remove(_ name: String) throws(StorageError) {
        try Self.check(name)
        if unlinkat(descriptor, name, 0) == 0 || errno == ENOENT { return }
        guard errno == EISDIR else { throw .last("unlink", "\(path)/\(name)") }
        let child: Directory
        do throws(StorageError) {
            child = try directory(name)
        } catch  where error.kind == .missing {
            return
        }
        for entry in try child.names() { try child.remove(entry) }
        guard try removeIfEmpty(name) else {
            throw StorageError(errno: ENOTEMPTY, "rmdir", child.path)
        }
    }

    /// Moves a file, which is on stable storage, to another directory of the volume, in place of whatever has its new name.
    /// Where a pool of disks moves only within a directory, it is a copy that gets the name.
    func move(_ name: String, to target: Directory, as newName: String) throws(StorageError) {
        if renameat(descriptor, name, target.descriptor, newName) == 0 { return }
        guard errno == EXDEV else { throw .last("rename", "\(target.path)/\(newName)") }
        let source = try FileReader(name, in: self)
        let copy = try TemporaryFile.copy(of: source.descriptor, in: target)
        withExtendedLifetime(source) {}
        try copy.replace(newName)
        try remove(name)
    }

    /// Makes an empty file unless there is one.
    func makeFile(_ name: String) throws(StorageError) {
        try Self.check(name)
        let file = uninterrupted { openat(descriptor, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o640) }
        guard file >= 0 else { throw .last("open", "\(path)/\(name)") }
        close(file)
    }

    /// Removes a directory unless something is in it; says whether it is gone.
    @discardableResult
    func removeIfEmpty(_ name: String) throws(StorageError) -> Bool {
        if unlinkat(descriptor, name, AT_REMOVEDIR) == 0 || errno == ENOENT { return true }
        guard errno == ENOTEMPTY || errno == EEXIST else { throw .last("rmdir", "\(path)/\(name)") }
        return false
    }

    /// Whether its file system is in memory.
    var isInMemory: Bool {
        get throws(StorageError) {
            var status = CLinux.statfs()
            guard uninterrupted({ fstatfs(descriptor, &status) }) == 0 else { throw .last("statfs", path) }
            // TMPFS_MAGIC and RAMFS_MAGIC of linux/magic.h.
            return [0x0102_1994, 0x8584_58F6].contains(Int64(status.f_type))
        }
    }

    /// The names in it, in no order.
    func names() throws(StorageError) -> [String] {
        let copy = uninterrupted { openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard copy >= 0 else { throw .last("open", path) }
        guard let stream = fdopendir(copy) else {
            let error = StorageError.last("opendir", path)
            close(copy)
            throw error
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw .last("readdir", path) }
                return names
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: field.pointee)) {
                    String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }

    /// Refuses what is a path, or no name at all.
    static func check(_ name: some StringProtocol) throws(StorageError) {
        let isName = name != "." && name != ".." && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
        guard isName, (1...255).contains(name.utf8.count) else { throw StorageError(.outsideVolume, String(name)) }
    }
}

/// What the file system says of a file. A symbolic link is a file of its own.
struct FileStatus {
    let isRegular: Bool
    let isDirectory: Bool
    let isLink: Bool
    /// In bytes.
    let size: Int64
    /// Bytes that it has blocks for.
    let allocated: Int64
    let hasName: Bool
    /// The file system it lies on.
    let device: UInt64
    let modified: Date

    /// The path is for the error.
    init(of descriptor: Int32, _ path: String) throws(StorageError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .last("stat", path) }
        self.init(status)
    }

    fileprivate init(_ status: stat) {
        let kind = status.st_mode & Glibc.S_IFMT
        isRegular = kind == Glibc.S_IFREG
        isDirectory = kind == Glibc.S_IFDIR
        isLink = kind == Glibc.S_IFLNK
        size = Int64(status.st_size)
        let (bytes, overflow) = Int64(status.st_blocks).multipliedReportingOverflow(by: 512)
        allocated = overflow ? .max : bytes
        hasName = status.st_nlink > 0
        device = UInt64(status.st_dev)
        modified = Date(timeIntervalSince1970: Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9)
    }
}

/// Calls until it is not interrupted by a signal.
public func uninterrupted<Count: SignedInteger>(_ call: () -> Count) -> Count {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}

/// Does what is no error where there is nothing.
func unlessMissing(_ body: () throws(StorageError) -> Void) throws(StorageError) {
    do throws(StorageError) {
        try body()
    } catch {
        guard error.kind == .missing else { throw error }
    }
}

/// A regular file that is open for reading at offsets. Stored files never change, so its size stays what it was.
public final class FileReader: Sendable {
    public let path: String
    /// In bytes, when it was opened.
    public let size: Int64
    /// The file system it lies on (`st_dev`): files of two cannot share blocks.
    public let device: UInt64
    /// The source of a clone; open for as long as this value lives.
    public let descriptor: Int32

    /// Opens a file. Only the last component of the path is checked not to be a symbolic link: the path comes from
    /// `LocalStorage.path`, which checks the others. Blocks.
    ///
    /// - Throws: `missing`; `outsideVolume` for a symbolic link and for what is no regular file, of which a pipe is not
    ///   waited for; `io`.
    public convenience init(path: String) throws(StorageError) {
        try self.init(path, at: AT_FDCWD, path: path)
    }

    convenience init(_ name: String, in directory: Directory) throws(StorageError) {
        try Directory.check(name)
        try self.init(name, at: directory.descriptor, path: "\(directory.path)/\(name)")
    }

    private init(_ name: String, at directory: Int32, path: String) throws(StorageError) {
        let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
        let descriptor = uninterrupted { openat(directory, name, flags) }
        guard descriptor >= 0 else { throw .last("open", path) }
        do throws(StorageError) {
            let status = try FileStatus(of: descriptor, path)
            guard status.isRegular else { throw StorageError(.outsideVolume, path) }
            size = status.size
            device = status.device
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// Fills the whole buffer with the bytes from an offset. Blocks.
    ///
    /// - Throws: `io(ESTALE)` if the file ends before that: it was cut after it was opened. `io`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(StorageError) {
        var filled = 0
        while filled < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let position = off_t(offset) + off_t(filled)
            let count = uninterrupted { pread(descriptor, rest.baseAddress, rest.count, position) }
            guard count >= 0 else { throw .last("read", path) }
            guard count > 0 else { throw StorageError(errno: ESTALE, "read", path) }
            filled += count
        }
    }

    /// Reads all of it and sums it up. Blocks.
    func sums() throws(StorageError) -> RunningSums {
        var sums = RunningSums()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        while sums.bytes < size {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(Int(min(1 << 20, size - sums.bytes))))
            try read(into: piece, at: sums.bytes)
            sums.update(UnsafeRawBufferPointer(piece))
        }
        return sums
    }

    /// Drops what was read from the page cache: it is read once and not worth what it would displace.
    func dropFromCache() {
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    }
}
