import Database
import Foundation
import Models

/// A company's uploads that come in several requests. Every method people reach is scoped by the company.
struct UploadRepository: Sendable {
    private let database: Database

    /// Reads and writes through a pool.
    init(_ database: Database) {
        self.database = database
    }

    /// Records an upload whose file was made and is locked.
    ///
    /// - Parameters:
    ///   - upload: What it is.
    ///   - company: Whose it is.
    ///   - user: Who begins it.
    ///   - volume: Where its file is.
    ///   - sums: The state of the sums of no bytes.
    ///   - holder: Whose request has the file locked.
    ///   - life: How long it may lie untouched.
    ///   - maximum: How many unfinished ones a company may have.
    /// - Returns: The upload; nil if the company has too many.
    /// - Throws: `DatabaseError`.
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
                upload.dialect,
                upload.role,
                upload.filename,
                upload.declaredType,
                upload.metadata,
                upload.concatenation,
                volume,
                upload.length,
                upload.promised,
                sums,
                holder,
                life / .seconds(1),
                maximum
            )
        )
    }

    /// The upload of that id.
    func find(_ id: UploadID, in company: CompanyID) async throws(DatabaseError) -> Upload? {
        try await database.first(Self.byID(id, company))
    }

    /// Tells whoever holds an upload that another request wants it.
    func claim(_ id: UploadID, by claimant: UUID) async throws(DatabaseError) {
        _ = try await database.run(Self.claim(id, claimant))
    }

    /// Makes a request the holder. It has locked the file, so there is no other.
    ///
    /// - Returns: The upload as it stands; nil if it is gone.
    func take(_ id: UploadID, in company: CompanyID, holder: UUID) async throws(DatabaseError) -> Upload? {
        try await database.first(Self.take(id, company, holder))
    }

    /// Records how far an upload has come, and gives it its whole life again.
    ///
    /// - Returns: Whether the request still holds it; nothing was recorded if not.
    func save(
        _ id: UploadID,
        _ standing: UploadStanding,
        holder: UUID,
        life: Duration
    ) async throws(DatabaseError) -> Bool {
        let statement = Self.save(
            id,
            holder,
            standing.offset,
            standing.sums,
            standing.length,
            standing.content?.kind,
            standing.content?.type,
            standing.sha256,
            standing.promised,
            life / .seconds(1)
        )
        return try await database.transaction([statement])[0].affected > 0
    }

    /// Says that a request holds an upload no more.
    func release(_ id: UploadID, holder: UUID) async throws(DatabaseError) {
        _ = try await database.run(Self.release(id, holder))
    }

    /// Records what became of an upload, if the transaction that made the asset has not: the asset was there before.
    func end(_ id: UploadID, as asset: AssetID, life: Duration) async throws(DatabaseError) {
        _ = try await database.run(Self.end(id, asset, life / .seconds(1)))
    }

    /// Forgets an upload.
    func delete(_ id: UploadID, in company: CompanyID) async throws(DatabaseError) {
        _ = try await database.run(Self.delete(id, company))
    }

    /// Lets parts go soon: what was made of them is stored, but its client may not have heard of it yet.
    func hasten(_ ids: [UploadID], in company: CompanyID) async throws(DatabaseError) {
        _ = try await database.run(Self.hasten(ids, company))
    }

    /// Which of these requests are not to go on: the upload is gone, another holds it, or wants it.
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
    private static let save = Query<NoRow>(
        """
        UPDATE uploads SET received = $3, sums = $4, length = coalesce($5, length), kind = $6, content_type = $7,
               sha256 = $8, promised_sha256 = $9, expires_at = now() + $10::float8 * interval '1 s'
         WHERE id = $1 AND holder = $2 AND asset_id IS NULL AND sha256 IS NULL
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
    private static let hasten = Query<NoRow>(
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
