import Database
import Foundation
import Jobs
import Models
import Storage

/// Which files the rows of all companies speak of, and what becomes of rows whose files are gone.
struct IntegrityRepository: Sendable {
    /// What a file's path tells about it.
    struct Claim: Sendable {
        enum Kind: String, Sendable {
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

        /// `fence` is that of the attempt that made the file; 0 if none did. `key` tells it from the owner's other
        /// files.
        init(_ kind: Kind, of owner: UUID, fence: Int64 = 0, key: String = "") {
            self.kind = kind
            self.owner = owner
            self.fence = fence
            self.key = key
        }
    }

    struct Expected: Sendable {
        /// The asset, export or upload whose row speaks of it.
        let subject: UUID
        let kind: Claim.Kind
        let volume: String
        /// Below the volume.
        let path: String
        /// An upload that is under way may have more.
        let bytes: Int64
        /// What an original's bytes sum up to.
        let sha256: SHA256Digest?
        /// Of the attempt that completed the job; nil for a file that no job has made.
        let fence: Int64?
        /// Of the part that an archive is.
        let number: Int?
    }

    /// The statement that fetches repeats it. Reading a page's videos from a slow disk takes minutes, and a session
    /// that is idle for ten is ended.
    private static let pageLength = 50

    private let database: Database

    init(_ database: Database) {
        self.database = database
    }

    /// Which of some files on a volume a row speaks of, or an attempt that has its lease is making.
    ///
    /// The connection is one whose transaction is open; nil for any. The result has the indices of those files.
    func used(
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

    func breaches(of rule: IntegrityRule, limit: Int) async throws(DatabaseError) -> [IntegrityRule.Breach] {
        try await database.run(rule.breaches(limit))
    }

    /// Visits every file that has to be there, in pages, from one snapshot of the database.
    func eachExpected(_ body: ([Expected]) async throws -> Void) async throws {
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
        SELECT 'original' AS kind, id AS subject, company_id, volume, NULL AS path, bytes, sha256, NULL::bigint AS fence,
               NULL::integer AS number
          FROM assets WHERE deleted_at IS NULL
        UNION ALL
        SELECT 'rendition', r.asset_id, a.company_id, r.volume, r.path, r.bytes, NULL, j.fence, NULL
          FROM renditions r JOIN assets a ON a.id = r.asset_id
          LEFT JOIN jobs j ON j.subject_id = a.id AND j.state = 'done'
         WHERE a.deleted_at IS NULL
        UNION ALL
        SELECT 'archive', p.export_id, e.company_id, p.archive ->> 'volume', p.archive ->> 'path',
               (p.archive ->> 'bytes')::bigint, NULL, j.fence, p.number
          FROM export_parts p JOIN exports e ON e.id = p.export_id JOIN jobs j ON j.subject_id = p.id
         WHERE e.deleted_at IS NULL AND e.cleaned_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > now())
           AND j.state = 'done'
        UNION ALL
        SELECT 'partial', id, company_id, volume, NULL, received, NULL, NULL, NULL
          FROM uploads WHERE asset_id IS NULL AND expires_at > now()
        """
    )
    private static let nextExpected = Query<Expected>("FETCH 50 FROM expected")
}

extension IntegrityRepository.Claim.Kind: DatabaseValue {}

extension IntegrityRepository.Expected: RowDecodable {
    init(from row: borrowing Row) throws(DatabaseError) {
        kind = try row["kind"]
        subject = try row["subject"]
        volume = try row["volume"]
        bytes = try row["bytes"]
        sha256 = try row["sha256"]
        fence = try row["fence"]
        number = try row["number"]
        if let sha256 {
            path = StorageLayout.originalPath(of: try row["company_id"], sha256)
        } else if kind == .partial {
            path = StorageLayout.partialPath(of: UploadID(rawValue: subject))
        } else {
            path = try row["path"]
        }
    }

    /// Whether the path is not that of the attempt that completed the job.
    var isStale: Bool {
        guard let fence else { return false }
        return switch StorageLayout.Place(path: path) {
        case .archive(_, let number, let made): made != fence || number != self.number
        case let place: place.fence != fence
        }
    }
}

private struct Ordinal: RowDecodable {
    let ordinal: Int

    init(from row: borrowing Row) throws(DatabaseError) { ordinal = try row["ordinal"] }
}

extension IntegrityRepository {
    private struct StillThere: Error {}

    /// Ends what a row says of a file that is gone: an asset without its original is deleted, renditions are made
    /// again, an export expires, an unfinished upload is forgotten. False if the row no longer names the file, or it is
    /// there.
    ///
    /// `isGone` looks once more while the row is locked: an upload of the same bytes places its file before it looks
    /// for the row, and waits for this transaction.
    func end(_ file: Expected, ifStill isGone: () async throws -> Bool) async throws -> Bool {
        do {
            return try await database.withTransaction { connection in
                guard try await Self.end(file, connection) else { return false }
                guard try await isGone() else { throw StillThere() }
                return true
            }
        } catch is StillThere {
            return false
        }
    }

    private static func end(
        _ file: Expected,
        _ connection: Connection
    ) async throws(DatabaseError) -> Bool {
        switch file.kind {
        case .original: return try await connection.run(deleteAsset(file.subject, file.volume)).first != nil
        case .rendition:
            // The job first, as everything that ends one does.
            _ = try await connection.transaction([
                JobStatements.requeue([file.subject], from: [.done], in: .background),
                JobStatements.acceptAgain(AssetID(rawValue: file.subject)),
            ])
            return try await connection.run(deleteRendition(file.subject, file.volume, file.path)).first != nil
        case .archive: return try await connection.run(expireExport(file.subject)).first != nil
        case .partial: return try await connection.run(deleteUpload(file.subject, file.volume)).first != nil
        case .work: return false
        }
    }

    private static let deleteAsset = Query<NoRow>(
        "UPDATE assets SET deleted_at = now() WHERE id = $1 AND volume = $2 AND deleted_at IS NULL RETURNING id"
    )
    private static let deleteRendition = Query<NoRow>(
        "DELETE FROM renditions WHERE asset_id = $1 AND volume = $2 AND path = $3 RETURNING name"
    )
    private static let expireExport = Query<NoRow>(
        """
        UPDATE exports SET expires_at = now()
         WHERE id = $1 AND finished_at IS NOT NULL AND expires_at > now() AND deleted_at IS NULL
        RETURNING id
        """
    )
    private static let deleteUpload = Query<NoRow>(
        "DELETE FROM uploads WHERE id = $1 AND volume = $2 AND asset_id IS NULL RETURNING id"
    )
}

extension IntegrityRepository {
    /// Runs `body` unless another process does, or has completed it within `interval`; says whether it ran. If `body`
    /// throws or the process dies, it does not count as done: the lock goes with its session.
    ///
    /// `body` has a connection with the transaction that holds the lock, and lets no ten minutes pass without a
    /// statement on it.
    func runAlone(
        _ name: String,
        unlessWithin interval: Duration,
        _ body: (Connection) async throws -> Void
    ) async throws -> Bool {
        try await database.withTransaction { connection in
            guard try await Self.isDue(name, interval, connection) else { return false }
            try await body(connection)
            _ = try await connection.run(Self.finish(name))
            return true
        }
    }

    // Inlined, it ends the optimizer of Swift 6.3.1 with a signal (splitting a coroutine).
    @inline(never)
    private static func isDue(
        _ name: String,
        _ interval: Duration,
        _ connection: Connection
    ) async throws(DatabaseError) -> Bool {
        // The backup takes the collector's lock by this name.
        guard try await AdvisoryLock("tolva upkeep \(name)").isTaken(on: connection) else { return false }
        // A new snapshot, after the lock: the previous holder's record is visible.
        return try await connection.first(isDue(name, interval / .seconds(1)))?.isYes == true
    }

    private static let isDue = Query<Answer>(
        """
        SELECT NOT EXISTS (SELECT FROM upkeep
                            WHERE name = $1 AND finished_at > now() - $2::float8 * interval '1 s') AS yes
        """
    )
    private static let finish = Query<NoRow>(
        """
        INSERT INTO upkeep (name, finished_at) VALUES ($1, clock_timestamp())
        ON CONFLICT (name) DO UPDATE SET finished_at = excluded.finished_at
        """
    )
}

extension IntegrityRepository {
    /// The files no row names and no attempt is making. Every copy on its way to its place is among them, since no row
    /// ever names one: its age tells whether it has stayed. Strangers are left out.
    func unused(of files: [FoundFile], on volume: Volume, in connection: Connection? = nil) async throws -> [FoundFile]
    {
        let copies = files.filter { $0.place == .copy }
        let known = files.compactMap { file in Claim(file.place, at: file.path).map { (file, $0) } }
        guard !known.isEmpty else { return copies }
        let used = try await used(of: known.map(\.1), on: volume.name, in: connection)
        return copies + known.indices.filter { !used.contains($0) }.map { known[$0].0 }
    }

    /// Whether a row still speaks of a file that it spoke of a moment ago.
    func isStillExpected(_ file: Expected) async throws -> Bool {
        guard let claim = Claim(StorageLayout.Place(path: file.path), at: file.path) else { return true }
        return try await !used(of: [claim], on: file.volume).isEmpty
    }
}

extension IntegrityRepository.Claim {
    fileprivate init?(_ place: StorageLayout.Place, at path: String) {
        switch place {
        case .original(let company, let digest): self.init(.original, of: company.rawValue, key: digest.description)
        case .rendition(let asset, let fence): self.init(.rendition, of: asset.rawValue, fence: fence, key: path)
        case .archive(let export, _, let fence): self.init(.archive, of: export.rawValue, fence: fence, key: path)
        case .partial(let upload): self.init(.partial, of: upload.rawValue)
        case .work(let job, let fence): self.init(.work, of: job.rawValue, fence: fence)
        case .copy, .stranger: return nil
        }
    }
}

private struct Answer: RowDecodable {
    let isYes: Bool

    init(from row: borrowing Row) throws(DatabaseError) { isYes = try row["yes"] }
}
