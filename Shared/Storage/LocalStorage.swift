import Blocking
import Glibc
public import Logging
public import Models

/// The files of the suite, on the disks of this machine.
///
/// ```
/// spool/       uploads on their way in, without names; jobs/<job>/<fence>/ for workers
/// originals/   <company>/<ab>/<sha256>
/// renditions/  <last two digits of the asset>/<asset>/<fence>/<name>
/// exports/     <last two digits of the export>/<export>/<part>-<fence>.zip
/// ```
public struct LocalStorage: Sendable {
    /// How one volume stands.
    public struct VolumeStatus: Sendable {
        /// Which one.
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

    /// Opens the volumes, makes the directories that are missing and writes a test file to each. Blocks; for the
    /// start of a process.
    ///
    /// - Parameters:
    ///   - settings: Where the volumes are.
    ///   - logger: Told which volume's file system lacks files without names.
    /// - Throws: `missing` if a volume's directory is not there; `io` if it cannot be written to.
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

    /// The first volume with room for `bytes` above the reserve. Asks the kernel's counters, not the disk.
    ///
    /// - Parameter bytes: The size of the file to come; 0 if it is not known.
    /// - Returns: The volume; the room is not taken.
    /// - Throws: `full` if there is none; `io` if no volume answers.
    public func volume(for bytes: Int64) throws(StorageError) -> Volume {
        guard let volume = try candidates(for: bytes).first else { throw noRoom }
        return volume
    }

    /// The volume a row names.
    public func volume(named name: String) throws(StorageError) -> Volume {
        guard let volume = volumes.first(where: { $0.name == name }) else { throw StorageError(.unknownVolume, name) }
        return volume
    }

    /// Absolute path of a received file.
    ///
    /// - Parameters:
    ///   - file: As its row says.
    ///   - company: Whose file it is.
    /// - Returns: The path of a file that was there a moment ago.
    /// - Throws: `missing` if it is not there; `unknownVolume`; `outsideVolume`.
    public func originalPath(_ file: StoredFile, of company: CompanyID) throws(StorageError) -> String {
        let names = Self.originals(of: company, file.sha256) + [file.sha256.description]
        return try path(volume: file.volume, relative: names.joined(separator: "/"))
    }

    /// Absolute path of a file that a row names, of which no part may be a symbolic link.
    ///
    /// - Parameters:
    ///   - name: The volume's.
    ///   - relative: Below the volume, e.g. `renditions/3f/…/thumbnail.jpg`.
    /// - Returns: The path of a file that was there a moment ago.
    /// - Throws: `outsideVolume` for `..`, an absolute path or a symbolic link; `missing`; `unknownVolume`.
    public func path(volume name: String, relative: String) throws(StorageError) -> String {
        let volume = try volume(named: name)
        var checked = ""
        for component in relative.split(separator: "/", omittingEmptySubsequences: false) {
            try Directory.check(component)
            checked += checked.isEmpty ? component : "/\(component)"
            guard let status = try volume.directory.status(checked) else { throw StorageError(.missing, relative) }
            guard status.st_mode & Glibc.S_IFMT != Glibc.S_IFLNK else { throw StorageError(.outsideVolume, relative) }
        }
        return "\(volume.root)/\(checked)"
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

    /// The volumes with room for `bytes` above the reserve, in the order they are tried: those with room for all that may
    /// come are filled one after the other; of the rest, the one with most room is the likeliest to do.
    func candidates(for bytes: Int64, upTo most: Int64? = nil) throws(StorageError) -> [Volume] {
        let bytes = max(0, bytes)
        let most = max(bytes, most ?? bytes)
        let fitting = try spares().filter { $0.bytes >= bytes }
        let tight = fitting.filter { $0.bytes < most }.sorted { $0.bytes > $1.bytes }
        return (fitting.filter { $0.bytes >= most } + tight).map(\.volume)
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

    var noRoom: StorageError {
        StorageError(.full, volumes.map(\.name).joined(separator: ", "))
    }

    static func originals(of company: CompanyID, _ digest: SHA256Digest) -> [String] {
        ["originals", company.description, String(digest.description.prefix(2))]
    }
}
