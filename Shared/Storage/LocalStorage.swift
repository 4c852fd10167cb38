import Blocking
import Glibc
public import Logging
public import Models
import Synchronization

/// The files of the suite, on the disks of this machine: `StorageLayout` says where.
public struct LocalStorage: Sendable {
    public struct VolumeStatus: Sendable {
        public let volume: Volume
        /// Bytes that can still be written, the reserve included; 0 if the disk does not answer.
        public let free: Int64
        /// Size in bytes; 0 if the disk does not answer.
        public let total: Int64
        /// Whether files can be written at all.
        public let writable: Bool
    }

    /// In the order they are filled.
    public let volumes: [Volume]
    /// Free space, in bytes, that is kept on each volume.
    public let reserve: Int64
    let threads: BlockingThreads

    /// Opens the volumes, makes the directories that are missing and writes a test file to each. Blocks; for the start
    /// of a process. Throws `missing` if a volume's directory is not there; `io` if it cannot be written to.
    public init(settings: StorageSettings, logger: Logger) throws(StorageError) {
        var volumes: [Volume] = []
        for location in settings.volumes {
            let volume = try Volume(location)
            if !volume.hasUnnamedFiles {
                logger.notice("volume has no O_TMPFILE: uploads use names in spool/", metadata: ["volume": "\(volume)"])
            }
            if volume.isInMemory {
                logger.warning(
                    "volume is in memory: nothing on it is on stable storage",
                    metadata: ["volume": "\(volume)", "path": "\(volume.root)"]
                )
            }
            volumes.append(volume)
        }
        self.init(volumes: volumes, settings: settings)
    }

    init(volumes: [Volume], settings: StorageSettings) {
        self.volumes = volumes
        reserve = settings.reserve
        threads = BlockingThreads(name: "storage", count: settings.threads)
    }

    /// The first volume with room for `bytes` (0 if unknown) above the reserve; the room is not taken. Asks the
    /// kernel's counters, not the disk; those of a network's file system may not answer. Throws `full` if there is none;
    /// `io` if no volume answers.
    public func volume(for bytes: Int64) async throws(StorageError) -> Volume {
        try await threads.run { () throws(StorageError) -> Volume in
            guard let volume = try candidates(for: bytes).first else { throw noRoom }
            return volume
        }
    }

    public func volume(named name: String) throws(StorageError) -> Volume {
        guard let volume = volumes.first(where: { $0.name == name }) else { throw StorageError(.unknownVolume, name) }
        return volume
    }

    /// How the volumes stand, in the order they are filled. Asks the kernel's counters, not the disk.
    public func status() -> [VolumeStatus] {
        volumes.map { volume in
            guard let space = try? volume.space() else {
                return VolumeStatus(volume: volume, free: 0, total: 0, writable: false)
            }
            return VolumeStatus(volume: volume, free: space.free, total: space.total, writable: space.isWritable)
        }
    }

    /// Whether every volume can be written and one has room.
    public var readiness: DependencyStatus {
        let volumes = status()
        let broken = volumes.filter { !$0.writable }.map(\.volume.name)
        guard broken.isEmpty else {
            return .failed(
                "cannot write to volume \(broken.joined(separator: ", "))",
                action: "See whether the disk is mounted and writable for this process's user."
            )
        }
        let low = volumes.filter { $0.free < reserve }.map(\.volume.name)
        guard low.count < volumes.count else {
            return .failed("every volume is low on space", action: "Free space or add a volume to VOLUMES.")
        }
        return low.isEmpty ? .ok : .degraded("low on space: \(low.joined(separator: ", "))")
    }

    /// Absolute path of a received file that was there a moment ago. Throws `missing`; `unknownVolume`;
    /// `outsideVolume`.
    public func originalPath(_ file: StoredFile, of company: CompanyID) throws(StorageError) -> String {
        try path(volume: file.volume, relative: StorageLayout.originalPath(of: company, file.sha256))
    }

    /// Absolute path of a file that a row names (`relative`: below the volume) and that was there a moment ago. Throws
    /// `outsideVolume` for `..`, an absolute path or a symbolic link in any part; `missing`; `unknownVolume`.
    public func path(volume name: String, relative: String) throws(StorageError) -> String {
        let volume = try volume(named: name)
        var checked = ""
        for component in StorageLayout.names(relative) {
            try Directory.check(component)
            checked += checked.isEmpty ? component : "/\(component)"
            guard let status = try volume.directory.status(checked) else { throw StorageError(.missing, relative) }
            guard !status.isLink else { throw StorageError(.outsideVolume, relative) }
        }
        return "\(volume.root)/\(checked)"
    }

    /// The volumes with room for `bytes` above the reserve, in the order they are tried: those with room for all that may
    /// come are filled one after the other; of the rest, the one with most room is the likeliest to do.
    func candidates(for bytes: Int64, upTo most: Int64? = nil) throws(StorageError) -> [Volume] {
        let bytes = max(0, bytes)
        let most = max(bytes, most ?? bytes)
        let fitting = try spares().filter { $0.bytes >= bytes }
        let tight = fitting.filter { $0.bytes < most }.sorted { $0.bytes > $1.bytes }
        return (fitting.filter { $0.bytes >= most } + tight).map(\.volume)
    }

    /// Makes something on the first of some volumes that really has room for it: the counters of blocks show neither
    /// inodes nor quota. Throws `full` if none has.
    func onFirst<Made: Sendable>(
        of volumes: [Volume],
        _ make: (Volume) throws(StorageError) -> Made
    ) throws(StorageError) -> Made {
        for volume in volumes {
            do throws(StorageError) {
                return try make(volume)
            } catch {
                guard error.kind == .full else { throw error }
            }
        }
        throw noRoom
    }

    /// The volumes that can be written to, and what each has beyond the reserve.
    private func spares() throws(StorageError) -> [(volume: Volume, bytes: Int64)] {
        var failure: StorageError?
        var answered = false
        var spares: [(volume: Volume, bytes: Int64)] = []
        for volume in volumes {
            do throws(StorageError) {
                let space = try volume.space()
                answered = true
                if space.isWritable { spares.append((volume, space.free - reserve)) }
            } catch {
                failure = error
            }
        }
        if let failure, !answered { throw failure }
        return spares
    }

    private var noRoom: StorageError {
        StorageError(.full, volumes.map(\.name).joined(separator: ", "))
    }
}

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
    /// Whether it is in memory (tmpfs): nothing on it outlives the machine's power, whatever is synced.
    public let isInMemory: Bool
    private let synced = SyncedDirectories()
    private let room = Room()

    init(_ location: StorageSettings.Location, hasUnnamedFiles: Bool? = nil) throws(StorageError) {
        name = location.name
        root = location.path
        directory = try Directory(root: location.path)
        for name in StorageLayout.top { _ = try directory.makeDirectory(name) }
        try directory.sync()
        spool = try directory.directory(StorageLayout.spool)
        try Self.removeAbandoned(in: spool)
        (self.hasUnnamedFiles, sharesBlocks) = try Self.abilities(of: spool, hasUnnamedFiles)
        isInMemory = try directory.isInMemory
        _ = try durableDirectory(StorageLayout.jobs)
    }

    public var description: String { name }

    /// Bytes that can still be written, without what the file system keeps for root.
    func free() throws(StorageError) -> Int64 { try space().free }

    func space() throws(StorageError) -> (free: Int64, total: Int64, isWritable: Bool) {
        var status = statvfs()
        guard uninterrupted({ fstatvfs(directory.descriptor, &status) }) == 0 else { throw .last("statvfs", root) }
        return (
            Self.bytes(status.f_bavail, of: status.f_frsize),
            Self.bytes(status.f_blocks, of: status.f_frsize),
            // A file system that has met an error turns read-only under its users.
            status.f_flag & UInt(ST_RDONLY) == 0 && faccessat(directory.descriptor, ".", W_OK | X_OK, 0) == 0
        )
    }

    /// Takes up to `wanted` bytes of room, and `needed` at least, and leaves the reserve; gives how many it took. No other
    /// upload of this process takes what was found free meanwhile. Throws `full`; what `take` throws.
    func takeRoom(
        _ wanted: Int64,
        atLeast needed: Int64,
        leaving reserve: Int64,
        _ take: (Int64) throws(StorageError) -> Void
    ) throws(StorageError) -> Int64 {
        try room.lock.withLock { _ throws(StorageError) -> Int64 in
            let spare = try free() - reserve
            guard spare >= needed else { throw StorageError(.full, name) }
            let bytes = max(needed, min(wanted, spare))
            try take(bytes)
            return bytes
        }
    }

    /// A file system without a limit may say that it has more blocks than their bytes can be counted.
    static func bytes(_ blocks: UInt, of size: UInt) -> Int64 {
        let (bytes, overflow) = blocks.multipliedReportingOverflow(by: size)
        return overflow ? .max : Int64(clamping: bytes)
    }

    /// Writes a file: a volume that cannot be written to is found here and not by the first upload. One that is full
    /// can still be read, and others may have room: what it can do is assumed until the next start.
    private static func abilities(
        of spool: Directory,
        _ hasUnnamedFiles: Bool?
    ) throws(StorageError) -> (hasUnnamedFiles: Bool, sharesBlocks: Bool) {
        do throws(StorageError) {
            let isUnnamed =
                if let hasUnnamedFiles { hasUnnamedFiles } else { try canBeUnnamed(in: spool) }
            let file = try TemporaryFile(in: spool, unnamed: isUnnamed)
            return (isUnnamed, try file.canBeCloned(in: spool))
        } catch  where error.kind == .full {
            return (hasUnnamedFiles ?? true, false)
        }
    }

    /// Whether the file system knows files without a name.
    private static func canBeUnnamed(in spool: Directory) throws(StorageError) -> Bool {
        do throws(StorageError) {
            _ = try TemporaryFile(in: spool, unnamed: true)
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
    private static func removeAbandoned(in spool: Directory) throws(StorageError) {
        for name in try spool.names() where name.hasSuffix(TemporaryFile.suffix) {
            try unlessMissing { () throws(StorageError) in
                guard let file = try TemporaryFile(locking: name, in: spool, creating: false) else { return }
                try spool.remove(name)
                _ = consume file
            }
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

/// The free room of one volume, as one upload after the other takes of it.
private final class Room: Sendable {
    let lock = Mutex(())
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
