import Glibc
import Synchronization

/// A directory on a disk of its own, with `spool/`, `originals/`, `renditions/` and `exports/` in it.
public struct Volume: Sendable, CustomStringConvertible {
    public let name: String
    /// Absolute path of the directory.
    public let root: String

    let directory: Directory
    let spool: Directory
    /// Whether the file system has files without a name (`O_TMPFILE`); NFS has not.
    let hasUnnamedFiles: Bool
    /// Whether a copy of a file can share its blocks (XFS, btrfs): it then takes neither time nor room.
    public let sharesBlocks: Bool
    private let synced = SyncedDirectories()

    init(_ location: StorageSettings.Location, hasUnnamedFiles: Bool? = nil) throws(StorageError) {
        name = location.name
        root = location.path
        directory = try Directory(root: location.path)
        for name in StorageLayout.top { _ = try directory.makeDirectory(name) }
        try directory.sync()
        spool = try directory.directory(StorageLayout.spool)
        try TemporaryFile.removeAbandoned(in: spool)
        (self.hasUnnamedFiles, sharesBlocks) = try Self.abilities(of: spool, hasUnnamedFiles)
        _ = try durableDirectory(StorageLayout.jobs)
    }

    public var description: String { name }

    /// Bytes that can still be written, without what the file system keeps for root.
    func free() throws(StorageError) -> Int64 { try space().free }

    func space() throws(StorageError) -> (free: Int64, total: Int64, isWritable: Bool) {
        var status = statvfs()
        guard uninterrupted({ fstatvfs(directory.descriptor, &status) }) == 0 else { throw .last("statvfs", root) }
        let block = UInt64(status.f_frsize)
        return (
            Int64(clamping: UInt64(status.f_bavail) * block),
            Int64(clamping: UInt64(status.f_blocks) * block),
            // A file system that has met an error turns read-only under its users.
            status.f_flag & UInt(ST_RDONLY) == 0 && faccessat(directory.descriptor, ".", W_OK | X_OK, 0) == 0
        )
    }

    /// Writes a file: a volume that cannot be written to is found here and not by the first upload. One that is full
    /// can still be read, and others may have room: what it can do is assumed until the next start.
    private static func abilities(
        of spool: Directory,
        _ hasUnnamedFiles: Bool?
    ) throws(StorageError) -> (hasUnnamedFiles: Bool, sharesBlocks: Bool) {
        do throws(StorageError) {
            let isUnnamed =
                if let hasUnnamedFiles { hasUnnamedFiles } else { try TemporaryFile.canBeUnnamed(in: spool) }
            let file = try TemporaryFile(in: spool, unnamed: isUnnamed)
            return (isUnnamed, try file.canBeCloned(in: spool))
        } catch  where error.kind == .full {
            return (hasUnnamedFiles ?? true, false)
        }
    }

    /// Opens a directory below the root; `missing` if any level is.
    func directory(_ names: some Sequence<String>) throws(StorageError) -> Directory {
        var current = directory
        for name in names { current = try current.directory(name) }
        return current
    }

    /// Removes a file, or a directory with all that is in it; it is no error if there is nothing.
    func remove(_ names: [String]) throws(StorageError) {
        guard let name = names.last else { return }
        try unlessMissing { () throws(StorageError) in try directory(names.dropLast()).remove(name) }
    }

    /// Removes a directory unless something is in it; says whether it is gone.
    @discardableResult
    func removeIfEmpty(_ names: [String]) throws(StorageError) -> Bool {
        guard let name = names.last else { return false }
        var isGone = true
        try unlessMissing { () throws(StorageError) in
            isGone = try directory(names.dropLast()).removeIfEmpty(name)
        }
        return isGone
    }

    /// Opens a directory below the root, makes the levels that are missing, and returns when the name of
    /// each level is on stable storage.
    func durableDirectory(_ names: [String]) throws(StorageError) -> Directory {
        // Another process may remove an empty level between its making and its use.
        for _ in 0..<3 {
            do throws(StorageError) {
                return try makeDurable(names)
            } catch  where error.kind == .missing {
                continue
            }
        }
        return try makeDurable(names)
    }

    private func makeDurable(_ names: [String]) throws(StorageError) -> Directory {
        var current = directory
        for name in names {
            let (child, isNew) = try current.makeDirectory(name)
            if isNew || !synced.contains(child.path) {
                try current.sync()
                synced.insert(child.path)
            }
            current = child
        }
        return current
    }
}

/// Directories whose names this process has seen on stable storage: a level that exists may have been
/// made a moment ago by a process that has not synced it yet.
private final class SyncedDirectories: Sendable {
    private static let capacity = 8192
    private let paths = Mutex<Set<String>>([])

    func contains(_ path: String) -> Bool {
        paths.withLock { $0.contains(path) }
    }

    func insert(_ path: String) {
        paths.withLock { paths in
            if paths.count >= Self.capacity { paths.removeAll(keepingCapacity: true) }
            paths.insert(path)
        }
    }
}
