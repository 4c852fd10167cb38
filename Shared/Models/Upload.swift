public import Foundation

/// An upload that comes in several requests.
public struct Upload: Sendable {
    public enum ProtocolName: String, Sendable {
        /// tus 1.0
        case tus
        /// draft-ietf-httpbis-resumable-upload
        case ietf
    }

    /// What becomes of its bytes.
    public enum Role: String, Sendable {
        /// An asset.
        case whole
        /// Nothing by themselves: a final upload is made of them.
        case part
        /// An asset, made of parts.
        case final
    }

    public let id: UploadID
    public let company: CompanyID
    public let user: UserID
    /// Nil for a document of the company itself.
    public let item: ItemID?
    public let protocolName: ProtocolName
    public let role: Role
    /// Cleaned; empty if the client gave none.
    public let filename: String
    /// The media type the client claims.
    public let declaredType: String?
    /// `Upload-Metadata`, as the client wrote it.
    public let metadata: String?
    public let concatenation: String?
    /// The volume its file lies on.
    public let volume: String
    /// Declared length in bytes; nil while it is unknown.
    public let length: Int64?
    /// Bytes on stable storage.
    public let offset: Int64
    /// The state of their sums, as storage encodes it.
    public let sums: String
    /// Nil until its first bytes are here.
    public let content: Asset.Content?
    /// Of the whole file, once it is here: then only its end is missing.
    public let sha256: SHA256Digest?
    /// The digest the client declared for the whole file; nil if none.
    public let expectedDigest: SHA256Digest?
    /// The request that may be writing it.
    public let holder: UUID?
    /// What became of it; nil while it is not finished.
    public let asset: AssetID?
    /// When it expires unless somebody continues it.
    public let expiresAt: Date
    public let createdAt: Date

    public init(
        id: UploadID,
        company: CompanyID,
        user: UserID,
        item: ItemID?,
        protocolName: ProtocolName,
        role: Role,
        filename: String,
        declaredType: String?,
        metadata: String?,
        concatenation: String?,
        volume: String,
        length: Int64?,
        offset: Int64,
        sums: String,
        content: Asset.Content?,
        sha256: SHA256Digest?,
        expectedDigest: SHA256Digest?,
        holder: UUID?,
        asset: AssetID?,
        expiresAt: Date,
        createdAt: Date
    ) {
        self.id = id
        self.company = company
        self.user = user
        self.item = item
        self.protocolName = protocolName
        self.role = role
        self.filename = filename
        self.declaredType = declaredType
        self.metadata = metadata
        self.concatenation = concatenation
        self.volume = volume
        self.length = length
        self.offset = offset
        self.sums = sums
        self.content = content
        self.sha256 = sha256
        self.expectedDigest = expectedDigest
        self.holder = holder
        self.asset = asset
        self.expiresAt = expiresAt
        self.createdAt = createdAt
    }

    /// Whether every byte is here.
    public var isWhole: Bool { sha256 != nil || asset != nil || (role == .part && offset == length) }
}

public typealias UploadID = Identifier<Upload>
