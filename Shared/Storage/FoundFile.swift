public import Foundation
public import Models

/// A file that lies on a volume, and what its place says it is.
public struct FoundFile: Hashable, Sendable {
    /// What a file is, as far as its path tells.
    public enum Place: Hashable, Sendable {
        /// As received.
        case original(CompanyID, SHA256Digest)
        /// Made of an asset by the attempt with this fence.
        case rendition(AssetID, fence: Int64)
        /// A part of an export, by the attempt with this fence.
        case archive(ExportID, fence: Int64)
        /// Of an upload that comes in several requests.
        case partial(UUID)
        /// What an attempt works on.
        case work(JobID, fence: Int64)
        /// Nothing the suite has put there.
        case stranger
    }

    /// The volume it lies on.
    public let volume: String
    /// Below the volume, as rows say it.
    public let path: String
    /// What it is.
    public let place: Place
    /// Size in bytes.
    public let bytes: Int64
    /// When it was last written, or wanted by an upload of the same bytes.
    public let modified: Date
}

extension FoundFile.Place {
    /// Reads the path of a file below its volume.
    public init(path: String) {
        self = Self.known(path.split(separator: "/").map(String.init)) ?? .stranger
    }

    private static func known(_ names: [String]) -> Self? {
        switch (names.first, names.count) {
        case ("originals", 4):
            guard let company = CompanyID(names[1]), let digest = SHA256Digest(names[3]) else { return nil }
            return LocalStorage.originals(of: company, digest) + [digest.description] == names
                ? .original(company, digest) : nil
        case ("renditions", 5):
            guard let asset = AssetID(names[2]), let fence = Int64(names[3]) else { return nil }
            return LocalStorage.renditions(of: asset) + ["\(fence)"] == names.dropLast()
                ? .rendition(asset, fence: fence) : nil
        case ("exports", 4):
            guard let export = ExportID(names[2]), let part = PartName(names[3]) else { return nil }
            return LocalStorage.exports(of: export) == names.dropLast() ? .archive(export, fence: part.fence) : nil
        case ("spool", 3) where names[1] == "uploads":
            return UUID(uuidString: names[2]).map(Self.partial)
        case ("spool", 5...) where names[1] == "jobs":
            guard let job = JobID(names[2]), let fence = Int64(names[3]) else { return nil }
            return .work(job, fence: fence)
        default:
            return nil
        }
    }
}
