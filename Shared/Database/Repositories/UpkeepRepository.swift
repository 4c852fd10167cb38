/// Work that one process does for all of them.
public struct UpkeepRepository: Sendable {
    private let database: Database

    /// Reads and writes through a pool.
    public init(_ database: Database) {
        self.database = database
    }

    /// Runs `body` unless another process is at it, or one has ended it within an interval.
    ///
    /// A process that dies in between has not done it: the lock goes with its session.
    ///
    /// - Parameters:
    ///   - name: Of the work.
    ///   - interval: How long it need not be done again.
    ///   - body: The work. It has a connection with the transaction that holds the lock, and lets no ten minutes pass
    ///     without a statement on it.
    /// - Returns: Whether `body` ran.
    /// - Throws: `DatabaseError`, and what `body` throws; the work is then not done.
    public func alone(
        _ name: String,
        unlessWithin interval: Duration = .zero,
        _ body: (Connection) async throws -> Void
    ) async throws -> Bool {
        var isMine = false
        try await database.withTransaction { connection in
            isMine = try await Self.isMine(name, interval, connection)
            guard isMine else { return }
            try await body(connection)
            _ = try await connection.run(Self.finish(name))
        }
        return isMine
    }

    // Inlined, it ends the optimizer of Swift 6.3.1 with a signal (splitting a coroutine).
    @inline(never)
    private static func isMine(
        _ name: String,
        _ interval: Duration,
        _ connection: Connection
    ) async throws(DatabaseError) -> Bool {
        guard try await connection.run(lock(name)).first?.isYes == true else { return false }
        // A snapshot of its own, after the lock: who had it before has said so.
        return try await connection.run(isDue(name, interval / .seconds(1))).first?.isYes == true
    }

    private static let lock = Query<Answer>(
        "SELECT pg_try_advisory_xact_lock(hashtextextended('tolva upkeep ' || $1::text, 0)) AS yes"
    )
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

private struct Answer: RowDecodable {
    let isYes: Bool

    init(from row: borrowing Row) throws(DatabaseError) { isYes = try row["yes"] }
}
