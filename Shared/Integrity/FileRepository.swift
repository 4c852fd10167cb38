public import Database
public import Foundation
public import Models

/// Which files the rows of all companies speak of.
public struct FileRepository: Sendable {
    /// What the path of a file says of it.
    public struct Claim: Sendable {
        /// What kind of file it is, as the statement below calls it.
        public enum Kind: String, Sendable {
            /// `owner` is the company, `key` the SHA-256.
            case original
            /// `owner` is the asset, `key` the path.
            case rendition
            /// `owner` is the export, `key` the path.
            case archive
            /// `owner` is the upload.
            case partial
            /// `owner` is the job.
            case work
        }

        let kind: Kind
        let owner: UUID
        let fence: Int64
        let key: String

        /// - Parameters:
        ///   - kind: What it is.
        ///   - owner: Whose it is.
        ///   - fence: Of the attempt that made it; 0 if none did.
        ///   - key: What tells it from the owner's other files.
        public init(_ kind: Kind, of owner: UUID, fence: Int64 = 0, key: String = "") {
            self.kind = kind
            self.owner = owner
            self.fence = fence
            self.key = key
        }
    }

    /// A file that has to be there.
    public struct Expected: Sendable {
        /// The asset, export or upload whose row speaks of it.
        public let subject: UUID
        /// What kind of file it is.
        public let kind: Claim.Kind
        /// The volume it lies on.
        public let volume: String
        /// Below the volume.
        public let path: String
        /// How many bytes it has; an upload that is under way may have more.
        public let bytes: Int64
        /// What an original's bytes sum up to.
        public let sha256: SHA256Digest?
    }

    /// As the statement that fetches says it. Whoever reads a page's films from a slow disk needs minutes, and a session
    /// that is idle for ten is ended.
    private static let pageLength = 50

    private let database: Database

    /// Reads through a pool.
    public init(_ database: Database) {
        self.database = database
    }

    /// Which of some files on a volume a row speaks of, or an attempt that has its lease is making.
    ///
    /// - Parameters:
    ///   - claims: What the files' paths say.
    ///   - volume: The name of the one they lie on.
    ///   - connection: One whose transaction is open; nil for any.
    /// - Returns: The indices of those that are.
    /// - Throws: `DatabaseError`.
    public func used(
        of claims: [Claim],
        on volume: String,
        in connection: Connection? = nil
    ) async throws(DatabaseError) -> Set<Int> {
        let statement = Self.used(
            volume,
            claims.map(\.kind),
            claims.map(\.owner),
            claims.map(\.fence),
            claims.map(\.key)
        )
        guard let connection else { return Self.indices(try await database.run(statement)) }
        return Self.indices(try await connection.run(statement))
    }

    /// Hands over every file that has to be there, some at a time, as one snapshot of the database has them.
    public func eachExpected(_ body: ([Expected]) async throws -> Void) async throws {
        try await database.withTransaction { connection in
            _ = try await connection.run(Self.openExpected())
            while case let page = try await connection.run(Self.nextExpected()), !page.isEmpty {
                try await body(page)
                if page.count < Self.pageLength { break }
            }
        }
    }

    private static func indices(_ rows: [Ordinal]) -> Set<Int> { Set(rows.map { $0.ordinal - 1 }) }

    private static let used = Query<Ordinal>(
        """
        SELECT f.ordinal
          FROM unnest($2::text[], $3::uuid[], $4::bigint[], $5::text[])
               WITH ORDINALITY AS f (kind, owner, fence, key, ordinal)
         WHERE CASE f.kind
               WHEN 'original' THEN
                   EXISTS (SELECT FROM assets a
                            WHERE a.sha256 = f.key AND a.company_id = f.owner AND a.volume = $1 AND a.deleted_at IS NULL)
               WHEN 'rendition' THEN
                   EXISTS (SELECT FROM renditions r JOIN assets a ON a.id = r.asset_id
                            WHERE r.asset_id = f.owner AND r.volume = $1 AND r.path = f.key AND a.deleted_at IS NULL)
                   OR EXISTS (SELECT FROM jobs j
                               WHERE j.subject_id = f.owner AND j.state = 'running' AND j.fence = f.fence)
               WHEN 'archive' THEN
                   EXISTS (SELECT FROM exports e
                             JOIN export_parts p ON p.export_id = e.id
                             JOIN jobs j ON j.subject_id = p.id
                            WHERE e.id = f.owner AND e.deleted_at IS NULL AND e.cleaned_at IS NULL
                              AND ((p.archive ->> 'volume' = $1 AND p.archive ->> 'path' = f.key)
                                   OR (j.state = 'running' AND j.fence = f.fence)))
               WHEN 'partial' THEN
                   EXISTS (SELECT FROM uploads u WHERE u.id = f.owner AND u.volume = $1 AND u.asset_id IS NULL)
               WHEN 'work' THEN
                   EXISTS (SELECT FROM jobs j WHERE j.id = f.owner AND j.state = 'running' AND j.fence = f.fence)
               END
        """
    )
    private static let openExpected = Query<NoRow>(
        """
        DECLARE expected NO SCROLL CURSOR FOR
        SELECT 'original' AS kind, id AS subject, volume,
               concat_ws('/', 'originals', company_id, left(sha256, 2), sha256) AS path, bytes, sha256
          FROM assets WHERE deleted_at IS NULL
        UNION ALL
        SELECT 'rendition', r.asset_id, r.volume, r.path, r.bytes, NULL
          FROM renditions r JOIN assets a ON a.id = r.asset_id WHERE a.deleted_at IS NULL
        UNION ALL
        SELECT 'archive', p.export_id, p.archive ->> 'volume', p.archive ->> 'path', (p.archive ->> 'bytes')::bigint, NULL
          FROM export_parts p JOIN exports e ON e.id = p.export_id JOIN jobs j ON j.subject_id = p.id
         WHERE e.deleted_at IS NULL AND e.cleaned_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > now())
           AND j.state = 'done'
        UNION ALL
        SELECT 'partial', id, volume, concat_ws('/', 'spool', 'uploads', id), received, NULL
          FROM uploads WHERE asset_id IS NULL AND expires_at > now()
        """
    )
    private static let nextExpected = Query<Expected>("FETCH 50 FROM expected")
}

extension FileRepository.Claim.Kind: DatabaseValue {}

extension FileRepository.Expected: RowDecodable {
    /// Reads a row of the cursor.
    public init(from row: borrowing Row) throws(DatabaseError) {
        kind = try row["kind"]
        subject = try row["subject"]
        volume = try row["volume"]
        path = try row["path"]
        bytes = try row["bytes"]
        sha256 = try row["sha256"]
    }
}

private struct Ordinal: RowDecodable {
    let ordinal: Int

    init(from row: borrowing Row) throws(DatabaseError) { ordinal = try row["ordinal"] }
}
