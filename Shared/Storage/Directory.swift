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
        try Self.check(name)
        let isNew = mkdirat(descriptor, name, 0o750) == 0
        guard isNew || errno == EEXIST else { throw .last("mkdir", "\(path)/\(name)") }
        return (try directory(name), isNew)
    }

    /// Puts the names in this directory on stable storage. A failed sync is never retried.
    func sync() throws(StorageError) {
        guard fsync(descriptor) == 0 else { throw .last("fsync", path) }
    }

    /// What stands under a name; nil if nothing does. A symbolic link is shown as itself.
    func status(_ name: String) throws(StorageError) -> stat? {
        var status = stat()
        if fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { return status }
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

    /// Removes a directory unless something is in it; says whether it is gone.
    @discardableResult
    func removeIfEmpty(_ name: String) throws(StorageError) -> Bool {
        if unlinkat(descriptor, name, AT_REMOVEDIR) == 0 || errno == ENOENT { return true }
        guard errno == ENOTEMPTY || errno == EEXIST else { throw .last("rmdir", "\(path)/\(name)") }
        return false
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
