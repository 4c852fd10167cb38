public import Models

/// Where every file lies on a volume. Nothing else makes the path of a stored file, or takes one apart.
///
/// ```
/// originals/   <company>/<ab>/<sha256>
/// renditions/  <last two digits of the asset>/<asset>/<fence>/<name>
/// exports/     <last two digits of the export>/<export>/<number>-<fence>.zip
/// spool/       uploads that come in one request, without names
///   uploads/   <upload>: those that come in several
///   jobs/      <job>/<fence>/: what an attempt works on
///   collected/ what the collector has set aside
/// ```
///
/// The fence in the path of what an attempt makes keeps a worker that has lost its lease from overwriting the work of the
/// next. The end of an identifier (UUIDv7) spreads over the directories; its beginning is the time.
public enum StorageLayout {
    /// What a file is, as far as its path tells.
    public enum Place: Hashable, Sendable {
        /// As received.
        case original(CompanyID, SHA256Digest)
        /// Made of an asset by the attempt with this fence.
        case rendition(AssetID, fence: Int64)
        /// A part of an export, by the attempt with this fence.
        case archive(ExportID, number: Int, fence: Int64)
        /// Of an upload that comes in several requests.
        case partial(UploadID)
        /// What an attempt works on.
        case work(JobID, fence: Int64)
        /// A copy on its way to its place, on a pool of disks that cannot link it there.
        case copy
        /// Nothing the suite has put there.
        case stranger
    }

    static let spool = "spool"
    static let top = ["originals", "renditions", "exports", spool]
    static let uploads = [spool, "uploads"]
    static let jobs = [spool, "jobs"]
    static let collected = [spool, "collected"]
    /// Where files stay that rows speak of. What else lies on a volume is not ours.
    static let kept = [["originals"], ["renditions"], ["exports"], uploads, jobs]

    /// Below the volume, as rows and reports say it.
    public static func originalPath(of company: CompanyID, _ digest: SHA256Digest) -> String {
        path(original(of: company, digest))
    }

    /// The path of an upload that comes in several requests.
    public static func partialPath(of upload: UploadID) -> String {
        path(uploads + [upload.description])
    }

    static func original(of company: CompanyID, _ digest: SHA256Digest) -> [String] {
        ["originals", company.description, String(digest.description.prefix(2)), digest.description]
    }

    /// The directory of all attempts.
    static func renditions(of asset: AssetID) -> [String] {
        ["renditions", String(asset.description.suffix(2)), asset.description]
    }

    static func renditions(of asset: AssetID, fence: Int64) -> [String] {
        renditions(of: asset) + ["\(fence)"]
    }

    /// The directory of all parts.
    static func archives(of export: ExportID) -> [String] {
        ["exports", String(export.description.suffix(2)), export.description]
    }

    static func archive(of export: ExportID, number: Int, fence: Int64) -> [String] {
        archives(of: export) + ["\(number)-\(fence).zip"]
    }

    /// The directory of all attempts.
    static func work(of job: JobID) -> [String] {
        jobs + [job.description]
    }

    static func work(of job: JobID, fence: Int64) -> [String] {
        work(of: job) + ["\(fence)"]
    }

    static func path(_ names: [String]) -> String { names.joined(separator: "/") }

    /// Keeps empty names, which no directory takes.
    static func names(_ path: String) -> [String] {
        path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    }

    /// A name among the collected that no path of ours has in it.
    static func asideName(of names: [String]) -> String { names.joined(separator: "|") }

    static func names(aside name: String) -> [String] { name.split(separator: "|").map(String.init) }

    /// Ends the name of a file that is set aside in its own directory: a pool of disks moves none to another. Among the
    /// collected there is an empty file then, whose name ends in the same.
    static let besideSuffix = "|beside"

    /// The fence that names the directory of an attempt; nil for any other name.
    static func fence(ofDirectory name: String) -> Int64? { Int64(name) }

    /// The directories of one asset, export, job or attempt, the deepest first. They go with their last file; those that
    /// others share stay, since an upload may have just opened one.
    static func ownDirectories(above names: [String]) -> [[String]] {
        guard names.first != "originals" else { return [] }
        return stride(from: names.count - 1, to: 2, by: -1).map { Array(names.prefix($0)) }
    }
}

extension StorageLayout.Place {
    /// Reads the path of a file below its volume.
    public init(path: String) {
        self.init(StorageLayout.names(path))
    }

    init(_ names: [String]) {
        self = Self.known(names) ?? .stranger
    }

    /// The fence of the attempt that made the file; nil if none did.
    public var fence: Int64? {
        switch self {
        case .rendition(_, let fence), .archive(_, _, let fence), .work(_, let fence): fence
        case .original, .partial, .copy, .stranger: nil
        }
    }

    private static func known(_ names: [String]) -> Self? {
        switch (names.first, names.count) {
        case ("originals", 4) where names[3].hasSuffix(TemporaryFile.suffix),
            ("exports", 4) where names[3].hasSuffix(TemporaryFile.suffix):
            return .copy
        case ("originals", 4):
            guard let company = CompanyID(names[1]), let digest = SHA256Digest(names[3]) else { return nil }
            return StorageLayout.original(of: company, digest) == names ? .original(company, digest) : nil
        case ("renditions", 5):
            guard let asset = AssetID(names[2]), let fence = Int64(names[3]) else { return nil }
            let directory = StorageLayout.renditions(of: asset, fence: fence)
            return directory == names.dropLast() ? .rendition(asset, fence: fence) : nil
        case ("exports", 4):
            guard let export = ExportID(names[2]), let (number, fence) = part(names[3]) else { return nil }
            let path = StorageLayout.archive(of: export, number: number, fence: fence)
            return path == names ? .archive(export, number: number, fence: fence) : nil
        case (StorageLayout.spool, 3) where names.dropLast() == StorageLayout.uploads:
            return UploadID(names[2]).map(Self.partial)
        case (StorageLayout.spool, 5...) where names.starts(with: StorageLayout.jobs):
            guard let job = JobID(names[2]), let fence = Int64(names[3]) else { return nil }
            return .work(job, fence: fence)
        default:
            return nil
        }
    }

    /// `<number>-<fence>.zip`
    private static func part(_ name: String) -> (number: Int, fence: Int64)? {
        guard name.hasSuffix(".zip") else { return nil }
        let ends = name.dropLast(4).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let number = Int(ends[0]), let fence = Int64(ends[1]) else { return nil }
        return (number, fence)
    }
}
