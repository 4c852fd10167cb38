public import Foundation
public import Models

/// An upload that comes in several requests.
public struct Upload: Sendable {
    /// The protocols it may be spoken to in.
    public enum Dialect: String, Sendable, DatabaseValue {
        /// tus 1.0
        case tus
        /// draft-ietf-httpbis-resumable-upload
        case ietf
    }

    /// What becomes of its bytes.
    public enum Role: String, Sendable, DatabaseValue {
        /// An asset.
        case whole
        /// Nothing by themselves: a final upload is made of them.
        case part
        /// An asset, made of parts.
        case final
    }

    /// What its first bytes say it is.
    public struct Content: Hashable, Sendable {
        /// What is done with it.
        public let kind: Asset.Kind
        /// Its media type.
        public let type: String

        /// Makes the value.
        public init(kind: Asset.Kind, type: String) {
            self.kind = kind
            self.type = type
        }
    }

    /// Its id.
    public let id: UploadID
    /// Whose it is.
    public let company: CompanyID
    /// Who began it.
    public let user: UserID
    /// What it is about; nil for a document of the company itself.
    public let item: ItemID?
    /// Which protocol it was begun in.
    public let dialect: Dialect
    /// What becomes of its bytes.
    public let role: Role
    /// Its cleaned name; empty if the client gave none.
    public let filename: String
    /// The media type the client claims.
    public let declaredType: String?
    /// `Upload-Metadata`, as the client wrote it.
    public let metadata: String?
    /// `Upload-Concat`, as the client wrote it.
    public let concatenation: String?
    /// Where its bytes lie.
    public let volume: String
    /// What the client says it will have, in bytes; nil while that is not known.
    public let length: Int64?
    /// Bytes on stable storage.
    public let offset: Int64
    /// The state of their sums.
    public let sums: String
    /// What its first bytes say; nil until they are here.
    public let content: Content?
    /// Of the whole file, once it is here: then only its end is missing.
    public let sha256: SHA256Digest?
    /// What the client says the whole file adds up to; nil if it has not said so.
    public let promised: SHA256Digest?
    /// Whose request may be writing it.
    public let holder: UUID?
    /// What became of it; nil while it is not finished.
    public let asset: AssetID?
    /// When it is forgotten unless somebody goes on.
    public let expiresAt: Date
    /// When it was begun.
    public let createdAt: Date

    /// Whether every byte is here.
    public var isWhole: Bool { sha256 != nil || asset != nil || (role == .part && offset == length) }
}

/// The id of an upload.
public typealias UploadID = Identifier<Upload>

/// An upload about to be begun.
public struct NewUpload: Sendable {
    /// The id its row will have; its file has it for a name.
    public let id = UploadID.new()
    /// What it is about; nil for a document of the company itself.
    public var item: ItemID?
    /// Which protocol it is begun in.
    public var dialect: Upload.Dialect
    /// What becomes of its bytes.
    public var role = Upload.Role.whole
    /// Its cleaned name; empty if the client gave none.
    public var filename = ""
    /// The media type the client claims, in lower case.
    public var declaredType: String?
    /// `Upload-Metadata`, as the client wrote it.
    public var metadata: String?
    /// `Upload-Concat`, as the client wrote it.
    public var concatenation: String?
    /// What the client says it will have, in bytes; nil if that is not known.
    public var length: Int64?
    /// What the client says the whole file adds up to; nil if it does not say.
    public var promised: SHA256Digest?

    /// Begins with what every upload has.
    public init(dialect: Upload.Dialect) {
        self.dialect = dialect
    }
}

/// How far an upload has come: what its holder records.
public struct UploadStanding: Sendable {
    /// Bytes on stable storage.
    public var offset: Int64
    /// The state of their sums.
    public var sums: String
    /// What the client says it will have, as far as it has said so.
    public var length: Int64?
    /// What its first bytes say, as far as they are here.
    public var content: Upload.Content?
    /// Of the whole file, if this is its end.
    public var sha256: SHA256Digest?
    /// What the client says the whole file adds up to, as far as it has said so.
    public var promised: SHA256Digest?

    /// Makes the value.
    public init(
        offset: Int64,
        sums: String,
        length: Int64?,
        content: Upload.Content?,
        sha256: SHA256Digest? = nil,
        promised: SHA256Digest? = nil
    ) {
        self.offset = offset
        self.sums = sums
        self.length = length
        self.content = content
        self.sha256 = sha256
        self.promised = promised
    }
}

extension Upload: RowDecodable {
    /// Reads every column.
    public init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        company = try row["company_id"]
        user = try row["created_by"]
        item = try row["item_id"]
        dialect = try row["protocol"]
        role = try row["role"]
        filename = try row["filename"]
        declaredType = try row["declared_type"]
        metadata = try row["metadata"]
        concatenation = try row["concat"]
        volume = try row["volume"]
        length = try row["length"]
        offset = try row["received"]
        sums = try row["sums"]
        if let kind: Asset.Kind = try row["kind"], let type: String = try row["content_type"] {
            content = Content(kind: kind, type: type)
        } else {
            content = nil
        }
        sha256 = try row["sha256"]
        promised = try row["promised_sha256"]
        holder = try row["holder"]
        asset = try row["asset_id"]
        expiresAt = try row["expires_at"]
        createdAt = try row["created_at"]
    }
}
