import Database
import Models

/// The uploads of every company, for what removes those that were given up.
struct UploadUpkeepRepository: Sendable {
    /// Where an upload's file is.
    struct Place: Sendable {
        /// The upload.
        let id: UploadID
        /// The volume.
        let volume: String
    }

    private let database: Database

    /// Reads and writes through a pool.
    init(_ database: Database) {
        self.database = database
    }

    /// Forgets uploads whose time is over, once `body` has removed their files.
    ///
    /// Several processes may do so at once: each takes rows no other has locked. If one dies in between, they are due
    /// again.
    ///
    /// - Parameters:
    ///   - limit: How many at most.
    ///   - body: Removes files; returns those that are gone.
    /// - Returns: How many were forgotten.
    /// - Throws: `DatabaseError`, and what `body` throws.
    func forgetExpired(limit: Int, removing body: ([Place]) async throws -> [UploadID]) async throws -> Int {
        try await database.withTransaction { connection in
            let due = try await connection.run(Self.lockExpired(limit))
            guard !due.isEmpty else { return 0 }
            let removed = try await body(due)
            _ = try await connection.run(Self.remove(removed))
            return removed.count
        }
    }

    private static let lockExpired = Query<Place>(
        """
        SELECT id, volume FROM uploads WHERE expires_at <= now()
         ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
        """
    )
    private static let remove = Query<NoRow>("DELETE FROM uploads WHERE id = ANY ($1::uuid[])")
}

extension UploadUpkeepRepository.Place: RowDecodable {
    /// Reads `id` and `volume`.
    init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        volume = try row["volume"]
    }
}
