public import Foundation

/// One uploaded file.
public struct Asset: Hashable, Sendable {
    /// What a file is, told by its bytes and never by its name.
    public enum Kind: String, CaseIterable, Codable, Sendable {
        case image
        case video
        /// Anything else a company keeps: PDF, workbook, text. It is ready as it is.
        case document
    }

    /// What a file's first bytes say it is.
    public struct Content: Hashable, Sendable {
        public let kind: Kind
        public let contentType: String

        public init(kind: Kind, contentType: String) {
            self.kind = kind
            self.contentType = contentType
        }
    }

    /// Where an asset stands. It is its job's state in the words of people who upload; an asset without a job is ready.
    public enum Status: String, CaseIterable, Codable, Sendable {
        /// Stored, waiting for a worker.
        case queued
        case processing
        case ready
        case failed
    }

    public let id: AssetID
    /// The item it hangs on; nil for a document of the company itself.
    public let item: ItemID?
    public let kind: Kind
    /// The name it came with, cleaned: a label, never a path.
    public let filename: String
    /// The media type its bytes say.
    public let contentType: String
    public let original: StoredFile
    public let status: Status
    /// Why it failed, for people.
    public let error: String?
    /// How far its processing is, 0…1.
    public let progress: Double
    /// Pixels, as shown (orientation applied); nil until known.
    public let width: Int?
    /// Pixels, as shown (orientation applied); nil until known.
    public let height: Int?
    /// Length of a video; nil for anything else, and until known.
    public let durationSeconds: Double?
    public let createdAt: Date
    /// When its processing ended.
    public let processedAt: Date?
    public let renditions: [Rendition]

    public init(
        id: AssetID,
        item: ItemID?,
        kind: Kind,
        filename: String,
        contentType: String,
        original: StoredFile,
        status: Status,
        error: String?,
        progress: Double,
        width: Int?,
        height: Int?,
        durationSeconds: Double?,
        createdAt: Date,
        processedAt: Date?,
        renditions: [Rendition]
    ) {
        self.id = id
        self.item = item
        self.kind = kind
        self.filename = filename
        self.contentType = contentType
        self.original = original
        self.status = status
        self.error = error
        self.progress = progress
        self.width = width
        self.height = height
        self.durationSeconds = durationSeconds
        self.createdAt = createdAt
        self.processedAt = processedAt
        self.renditions = renditions
    }
}

public typealias AssetID = Identifier<Asset>

/// A file derived from an asset: `compressed`, `thumbnail`, `poster`, `720p`.
public struct Rendition: Hashable, Sendable {
    /// Unique within its asset.
    public let name: String
    public let contentType: String
    public let bytes: Int64
    public let width: Int?
    public let height: Int?
    public let volume: String
    /// Its path below the volume.
    public let path: String

    public init(
        name: String,
        contentType: String,
        bytes: Int64,
        width: Int?,
        height: Int?,
        volume: String,
        path: String
    ) {
        self.name = name
        self.contentType = contentType
        self.bytes = bytes
        self.width = width
        self.height = height
        self.volume = volume
        self.path = path
    }
}

extension Rendition {
    /// What it is called beside its original: “IMG_0412.HEIC” as `compressed` JPEG is “IMG_0412 compressed.jpg”.
    public func filename(beside original: String) -> String {
        let stem = original.lastIndex(of: ".").map { original[..<$0] } ?? original[...]
        let type = ["image/jpeg": "jpg", "video/mp4": "mp4"][contentType] ?? "bin"
        return "\(stem) \(name).\(type)"
    }
}

/// A received file in its place: which bytes, and on which volume.
public struct StoredFile: Hashable, Sendable {
    /// The volume it lies on. With its company and its SHA-256 that is all its path needs.
    public let volume: String
    /// Of the whole file.
    public let sha256: SHA256Digest
    /// Of the whole file, as ZIP stores it.
    public let crc32: UInt32
    public let bytes: Int64

    public init(volume: String, sha256: SHA256Digest, crc32: UInt32, bytes: Int64) {
        self.volume = volume
        self.sha256 = sha256
        self.crc32 = crc32
        self.bytes = bytes
    }
}
