import Blocking
import FaultPoints
import Glibc
public import Logging
public import Models

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
    /// kernel's counters, not the disk. Throws `full` if there is none; `io` if no volume answers.
    public func volume(for bytes: Int64) throws(StorageError) -> Volume {
        guard let volume = try candidates(for: bytes).first else { throw noRoom }
        return volume
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

/// The files of uploads.
extension LocalStorage {
    /// Makes the file of an upload that comes in one request, on the first volume with room. Throws `full` if there is
    /// none; `io`.
    ///
    /// Blocks for the declared length (`bytes`; nil if unknown) are taken now, and what is not used is given back.
    /// Volumes with less room than `most` come last, since the file cannot move once it has begun.
    public func makeUpload(expecting bytes: Int64?, upTo most: Int64? = nil) async throws(StorageError) -> UploadFile {
        let bytes = max(0, bytes ?? 0)
        return try await threads.run { () throws(StorageError) -> UploadFile in
            try onFirst(of: try candidates(for: bytes, upTo: most)) { volume throws(StorageError) in
                let file = try TemporaryFile(in: volume.spool, unnamed: volume.hasUnnamedFiles)
                try file.reserve(bytes)
                return upload(.whole, file, on: volume, expecting: bytes)
            }
        }
    }

    /// Makes the file of an upload that comes in several requests, as `makeUpload(expecting:upTo:)` does, and locks it.
    /// Its name is new, and durable when this returns; after an error no name stays.
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
                    try file.reserve(bytes)
                    try directory.sync()
                } catch {
                    try directory.remove(name)
                    throw error
                }
                return upload(.resumable, file, on: volume, expecting: bytes)
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
            return upload(.resumable, file, on: volume, expecting: 0)
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
    /// without a row the collector removes them.
    public func place(_ files: [FinishedFile], of company: CompanyID) async throws(StorageError) -> [StoredFile] {
        try await threads.run { () throws(StorageError) -> [StoredFile] in
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

    private func upload(
        _ kind: UploadFile.Kind,
        _ file: consuming TemporaryFile,
        on volume: Volume,
        expecting bytes: Int64
    ) -> UploadFile {
        let content = UploadContent(kind, file, on: volume, expected: bytes, reserve: reserve)
        return UploadFile(content, on: volume, threads: threads)
    }
}
