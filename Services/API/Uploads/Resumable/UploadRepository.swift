public import Database
import Foundation
public import Models

/// A company's resumable uploads. Every method people reach is scoped by the company.
struct UploadRepository: Sendable {
    private let database: Database

    init(_ database: Database) {
        self.database = database
    }

    /// Records an upload whose file was made and is locked by `holder`; nil if the company has `maximum` unfinished
    /// ones already. `sums` is the state of the sums of no bytes; `life`, how long the upload may lie untouched.
    func add(
        _ upload: NewUpload,
        in company: CompanyID,
        by user: UserID,
        on volume: String,
        sums: String,
        holder: UUID,
        life: Duration,
        maximum: Int
    ) async throws(DatabaseError) -> Upload? {
        try await database.first(
            Self.insert(
                upload.id,
                company,
                user,
                upload.item,
                upload.protocolName,
                upload.role,
                upload.filename,
                upload.declaredType,
                upload.metadata,
                upload.concatenation,
                volume,
                upload.length,
                upload.expectedDigest,
                sums,
                holder,
                life / .seconds(1),
                maximum
            )
        )
    }

    /// Nil also for one that has expired.
    func find(_ id: UploadID, in company: CompanyID) async throws(DatabaseError) -> Upload? {
        try await database.first(Self.byID(id, company))
    }

    /// Tells whoever holds an upload that another request wants it.
    func claim(_ id: UploadID, by claimant: UUID) async throws(DatabaseError) {
        _ = try await database.run(Self.claim(id, claimant))
    }

    /// Makes the request that has locked the file the holder; nil if the upload is gone.
    func take(_ id: UploadID, in company: CompanyID, holder: UUID) async throws(DatabaseError) -> Upload? {
        try await database.first(Self.take(id, company, holder))
    }

    /// Records how far an upload has come and restarts its life. False, with nothing recorded, if the request no longer
    /// holds it.
    func save(
        _ id: UploadID,
        _ progress: UploadProgress,
        holder: UUID,
        life: Duration
    ) async throws(DatabaseError) -> Bool {
        let saved = try await database.first(
            Self.save(
                id,
                holder,
                progress.offset,
                progress.sums,
                progress.length,
                progress.content?.kind,
                progress.content?.contentType,
                progress.sha256,
                progress.expectedDigest,
                life / .seconds(1)
            )
        )
        return saved != nil
    }

    func release(_ id: UploadID, holder: UUID) async throws(DatabaseError) {
        _ = try await database.run(Self.release(id, holder))
    }

    /// Records what became of an upload, if the transaction that made the asset has not: the asset was there before.
    func end(_ id: UploadID, as asset: AssetID, life: Duration) async throws(DatabaseError) {
        _ = try await database.run(Self.end(id, asset, life / .seconds(1)))
    }

    func delete(_ id: UploadID, in company: CompanyID) async throws(DatabaseError) {
        _ = try await database.run(Self.delete(id, company))
    }

    /// Lets parts go soon: what was made of them is stored, but its client may not have heard of it yet.
    func expireSoon(_ ids: [UploadID], in company: CompanyID) async throws(DatabaseError) {
        _ = try await database.run(Self.expireSoon(ids, company))
    }

    /// Which of these requests must stop: the upload is gone, another holds it, or wants it.
    func unwanted(_ holders: [(upload: UploadID, holder: UUID)]) async throws(DatabaseError) -> Set<UUID> {
        let rows = try await database.run(Self.unwanted(holders.map(\.upload), holders.map(\.holder)))
        return Set(rows.map(\.id))
    }

    private static let insert = Query<Upload>(
        """
        INSERT INTO uploads (id, company_id, created_by, item_id, protocol, role, filename, declared_type, metadata,
                             concat, volume, length, promised_sha256, sums, holder, expires_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, now() + $16::float8 * interval '1 s'
         WHERE (SELECT count(*) FROM uploads WHERE company_id = $2 AND asset_id IS NULL) < $17::integer
        RETURNING *
        """
    )
    private static let byID = Query<Upload>(
        "SELECT * FROM uploads WHERE id = $1 AND company_id = $2 AND expires_at > now()"
    )
    private static let claim = Query<NoRow>("UPDATE uploads SET claimant = $2 WHERE id = $1")
    private static let take = Query<Upload>(
        """
        UPDATE uploads SET holder = $3, claimant = NULL
         WHERE id = $1 AND company_id = $2 AND expires_at > now()
        RETURNING *
        """
    )
    private static let save = Query<HolderKey>(
        """
        UPDATE uploads SET received = $3, sums = $4, length = coalesce($5, length), kind = $6, content_type = $7,
               sha256 = $8, promised_sha256 = $9, expires_at = now() + $10::float8 * interval '1 s'
         WHERE id = $1 AND holder = $2 AND asset_id IS NULL AND sha256 IS NULL
        RETURNING holder AS id
        """
    )
    private static let release = Query<NoRow>("UPDATE uploads SET holder = NULL WHERE id = $1 AND holder = $2")
    private static let end = Query<NoRow>(
        """
        UPDATE uploads SET asset_id = coalesce(asset_id, $2), holder = NULL,
               expires_at = now() + $3::float8 * interval '1 s'
         WHERE id = $1
        """
    )
    private static let delete = Query<NoRow>("DELETE FROM uploads WHERE id = $1 AND company_id = $2")
    private static let expireSoon = Query<NoRow>(
        """
        UPDATE uploads SET expires_at = least(expires_at, now() + interval '1 hour')
         WHERE id = ANY ($1::uuid[]) AND company_id = $2
        """
    )
    private static let unwanted = Query<HolderKey>(
        """
        SELECT held.holder AS id FROM unnest($1::uuid[], $2::uuid[]) AS held (upload, holder)
          LEFT JOIN uploads u ON u.id = held.upload AND u.holder = held.holder
         WHERE u.id IS NULL OR u.claimant IS NOT NULL
        """
    )
}

private struct HolderKey: RowDecodable {
    let id: UUID

    init(from row: borrowing Row) throws(DatabaseError) { id = try row["id"] }
}

struct NewUpload: Sendable {
    /// Names its row and its file.
    let id = UploadID.new()
    let protocolName: Upload.ProtocolName
    /// Nil for a document of the company itself.
    var item: ItemID?
    var role = Upload.Role.whole
    /// Cleaned; empty if the client gave none.
    var filename = ""
    /// The media type the client claims, in lower case.
    var declaredType: String?
    /// `Upload-Metadata`, as the client wrote it.
    var metadata: String?
    /// `Upload-Concat`, as the client wrote it.
    var concatenation: String?
    /// Declared length in bytes; nil if it is unknown.
    var length: Int64?
    /// The digest the client declared for the whole file; nil if none.
    var expectedDigest: SHA256Digest?

    init(protocolName: Upload.ProtocolName) {
        self.protocolName = protocolName
    }
}

/// How far an upload has come: what its holder records.
struct UploadProgress: Sendable {
    /// Bytes on stable storage.
    let offset: Int64
    /// The state of their sums, as storage encodes it.
    let sums: String
    /// Declared length in bytes; nil while it is unknown.
    let length: Int64?
    /// Nil until its first bytes are here.
    let content: Asset.Content?
    /// Of the whole file, if this is its end.
    let sha256: SHA256Digest?
    /// The digest the client declared for the whole file; nil while there is none.
    let expectedDigest: SHA256Digest?
}

extension Upload: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        var content: Asset.Content?
        if let kind: Asset.Kind = try row["kind"], let contentType: String = try row["content_type"] {
            content = Asset.Content(kind: kind, contentType: contentType)
        }
        self.init(
            id: try row["id"],
            company: try row["company_id"],
            user: try row["created_by"],
            item: try row["item_id"],
            protocolName: try row["protocol"],
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
            expectedDigest: try row["promised_sha256"],
            holder: try row["holder"],
            asset: try row["asset_id"],
            expiresAt: try row["expires_at"],
            createdAt: try row["created_at"]
        )
    }
}

extension Upload.ProtocolName: DatabaseValue {}

extension Upload.Role: DatabaseValue {}
