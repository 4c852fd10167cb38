public import Database
import Foundation
public import Models

/// A company's resumable uploads. Every method people reach is scoped by the company.
struct UploadRepository: Sendable {
    private let database: Database

    init(_ database: Database) {
        self.database = database
    }

    /// Records an upload whose file was made and is locked by `holder`, unless there are too many unfinished ones.
    /// `reserved` are the bytes it is sure to have; `sums` is the state of the sums of no bytes; `life`, how long the
    /// upload may lie untouched. Nil is no answer.
    func add(
        _ upload: NewUpload,
        in company: CompanyID,
        by user: UserID,
        on volume: String,
        reserved: Int64,
        sums: String,
        holder: UUID,
        life: Duration,
        limits: UnfinishedLimits
    ) async throws(DatabaseError) -> UploadAdmission? {
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
                max(reserved, upload.length ?? 0),
                limits.uploadsOfUser,
                limits.bytesOfUser,
                limits.uploadsOfCompany,
                limits.bytesOfCompany
            )
        )
    }

    /// Lets an upload whose length is not declared have so many bytes; gives the limit that forbids it, if any does.
    func reserve(
        _ bytes: Int64,
        for upload: Upload,
        holder: UUID,
        limits: UnfinishedLimits
    ) async throws(DatabaseError) -> UploadExcess? {
        try await database.first(
            Self.reserve(
                upload.id,
                upload.company,
                upload.user,
                bytes,
                holder,
                limits.bytesOfUser,
                limits.bytesOfCompany
            )
        )?.excess
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

    private static let insert = Query<UploadAdmission>(
        """
        WITH judged AS MATERIALIZED (SELECT upload_excess($1, $2, $3, $17, $18, $19, $20, $21) AS excess),
             added AS (
        INSERT INTO uploads (id, company_id, created_by, item_id, protocol, role, filename, declared_type, metadata,
                             concat, volume, length, promised_sha256, sums, holder, expires_at, reserved)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
               now() + $16::float8 * interval '1 s', $17
          FROM judged WHERE excess IS NULL
        RETURNING *)
        SELECT judged.excess, added.* FROM judged LEFT JOIN added ON true
        """
    )
    /// The number of uploads is judged when they begin.
    private static let reserve = Query<JudgedReservation>(
        """
        WITH judged AS MATERIALIZED (
            SELECT upload_excess($1, $2, $3, $4, NULL, $6, NULL, $7) AS excess),
             reserved AS (
        UPDATE uploads SET reserved = $4 FROM judged
         WHERE uploads.id = $1 AND holder = $5 AND asset_id IS NULL AND excess IS NULL)
        SELECT excess FROM judged
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
    private static let release = Query<NoRow>(
        "UPDATE uploads SET holder = NULL, reserved = 0 WHERE id = $1 AND holder = $2"
    )
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

/// The limit of unfinished uploads that an upload would pass.
enum UploadExcess: String, DatabaseValue {
    case userUploads = "user_uploads"
    case userBytes = "user_bytes"
    case companyUploads = "company_uploads"
    case companyBytes = "company_bytes"
}

/// Whether an upload was begun.
enum UploadAdmission: RowDecodable {
    case added(Upload)
    case refused(UploadExcess)

    init(from row: borrowing Row) throws(DatabaseError) {
        if let excess: UploadExcess = try row["excess"] {
            self = .refused(excess)
        } else {
            self = .added(try Upload(from: row))
        }
    }
}

private struct JudgedReservation: RowDecodable {
    let excess: UploadExcess?

    init(from row: borrowing Row) throws(DatabaseError) { excess = try row["excess"] }
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
