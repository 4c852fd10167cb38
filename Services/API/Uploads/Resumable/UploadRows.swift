public import Database
import Foundation
public import Models

/// An upload about to be begun.
struct NewUpload: Sendable {
    /// The id its row will have; its file has it for a name.
    let id = UploadID.new()
    /// What it is about; nil for a document of the company itself.
    var item: ItemID?
    /// Which protocol it is begun in.
    var dialect: Upload.Dialect
    /// What becomes of its bytes.
    var role = Upload.Role.whole
    /// Its cleaned name; empty if the client gave none.
    var filename = ""
    /// The media type the client claims, in lower case.
    var declaredType: String?
    /// `Upload-Metadata`, as the client wrote it.
    var metadata: String?
    /// `Upload-Concat`, as the client wrote it.
    var concatenation: String?
    /// What the client says it will have, in bytes; nil if that is not known.
    var length: Int64?
    /// What the client says the whole file adds up to; nil if it does not say.
    var promised: SHA256Digest?

    /// Begins with what every upload has.
    init(dialect: Upload.Dialect) {
        self.dialect = dialect
    }
}

/// How far an upload has come: what its holder records.
struct UploadStanding: Sendable {
    /// Bytes on stable storage.
    var offset: Int64
    /// The state of their sums.
    var sums: String
    /// What the client says it will have, as far as it has said so.
    var length: Int64?
    /// What its first bytes say, as far as they are here.
    var content: Upload.Content?
    /// Of the whole file, if this is its end.
    var sha256: SHA256Digest?
    /// What the client says the whole file adds up to, as far as it has said so.
    var promised: SHA256Digest?

    /// Makes the value.
    init(
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
        var content: Content?
        if let kind: Asset.Kind = try row["kind"], let type: String = try row["content_type"] {
            content = Content(kind: kind, type: type)
        }
        self.init(
            id: try row["id"],
            company: try row["company_id"],
            user: try row["created_by"],
            item: try row["item_id"],
            dialect: try row["protocol"],
            role: try row["role"],
            filename: try row["filename"],
            declaredType: try row["declared_type"],
            metadata: try row["metadata"],
            concatenation: try row["concat"],
            volume: try row["volume"],
            length: try row["length"],
            offset: try row["received"],
            sums: try row["sums"],
            content: content,
            sha256: try row["sha256"],
            promised: try row["promised_sha256"],
            holder: try row["holder"],
            asset: try row["asset_id"],
            expiresAt: try row["expires_at"],
            createdAt: try row["created_at"]
        )
    }
}

extension Upload.Dialect: DatabaseValue {}

extension Upload.Role: DatabaseValue {}
