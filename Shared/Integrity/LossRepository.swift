public import Database

/// What becomes of rows whose files are gone.
public struct LossRepository: Sendable {
    private struct StillThere: Error {}

    private let database: Database

    /// Writes through a pool.
    public init(_ database: Database) {
        self.database = database
    }

    /// Ends what a row says of a file that is gone: an asset without its original is deleted, renditions are made again,
    /// an export expires, an unfinished upload is forgotten.
    ///
    /// - Parameters:
    ///   - file: As its row spoke of it.
    ///   - isGone: Looks once more, while the row is locked: an upload of the same bytes places its file before it looks
    ///     for the row, and waits for this transaction.
    /// - Returns: Whether that was done; if not, the row speaks of the file no more, or it is there.
    /// - Throws: `DatabaseError`, and what `isGone` throws.
    public func end(_ file: FileRepository.Expected, ifStill isGone: () async throws -> Bool) async throws -> Bool {
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
        _ file: FileRepository.Expected,
        _ connection: Connection
    ) async throws(DatabaseError) -> Bool {
        switch file.kind {
        case .original: return try await connection.run(deleteAsset(file.subject, file.volume)).first != nil
        case .rendition:
            // The job first, as whoever ends one does.
            _ = try await connection.run(makeAgain(file.subject))
            return try await connection.run(deleteRendition(file.subject, file.volume, file.path)).first != nil
        case .archive: return try await connection.run(expireExport(file.subject)).first != nil
        case .partial: return try await connection.run(deleteUpload(file.subject, file.volume)).first != nil
        case .work: return false
        }
    }

    private static let deleteAsset = Query<NoRow>(
        "UPDATE assets SET deleted_at = now() WHERE id = $1 AND volume = $2 AND deleted_at IS NULL RETURNING id"
    )
    private static let makeAgain = Query<NoRow>(
        """
        UPDATE jobs SET state = 'queued', attempt = 0, reason = NULL, progress = 0, finished_at = NULL,
               run_after = now(), announce_at = now()
         WHERE subject_id = $1 AND state = 'done'
        """
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
