public import Logging
public import ServiceLifecycle

/// The process's pool of connections to Postgres, opened as they are needed.
///
/// Every call waits for a connection at most `poolWait` (then `.poolExhausted`), and does not wait at all while the
/// server is away (`.unavailable`). Within one, statements are prepared once a connection.
public final class Database: Sendable {
    private let pool: Pool

    public init(settings: DatabaseSettings, logger: Logger) {
        pool = Pool(settings: settings, metrics: DatabaseMetrics(), logger: logger)
    }

    /// Runs a statement, in a transaction of its own, and gives its rows.
    public func run<R>(_ statement: Statement<R>) async throws(DatabaseError) -> [R] {
        try await transaction([statement])[0].decode()
    }

    /// Runs a statement, in a transaction of its own, and gives its first row; nil if it has none.
    public func first<R>(_ statement: Statement<R>) async throws(DatabaseError) -> R? {
        try await transaction([statement])[0].decodeFirst()
    }

    /// Runs all statements in ONE transaction and ONE round trip.
    ///
    /// - Returns: One result a statement, in order.
    /// - Throws: The first error. Nothing of the transaction was done then, unless it is `.connectionLost`: whether
    ///   it was committed is unknown. No statement at all is not an error.
    public func transaction(_ statements: [any AnyStatement]) async throws(DatabaseError) -> [RowSet] {
        var bound: [BoundStatement] = []
        for statement in statements { bound.append(try statement.bound()) }
        guard !bound.isEmpty else { return [] }
        let connection = try await pool.lease()
        defer { pool.giveBack(connection) }
        return try await connection.execute(bound)
    }

    /// Lends a connection for a transaction of several steps: COMMIT when `body` returns, ROLLBACK when it throws.
    ///
    /// - Throws: What `body` throws, and `DatabaseError`. A `body` that hides a failed statement's error gets
    ///   SQLSTATE 25P02 at the end, since nothing was committed.
    public func withTransaction<T: Sendable>(_ body: (Connection) async throws -> T) async throws -> T {
        try await withConnection { connection in
            try await connection.begin()
            do {
                let value = try await body(connection)
                try await connection.commit()
                return value
            } catch {
                await connection.rollback()
                throw error
            }
        }
    }

    /// Lends a connection for several steps without a transaction around them.
    ///
    /// `body` leaves the session as it found it, and does not keep the connection: the next caller gets it.
    public func withConnection<T: Sendable>(_ body: (Connection) async throws -> T) async throws -> T {
        let connection = try await pool.lease()
        defer { pool.giveBack(connection) }
        return try await body(connection)
    }

    public var statistics: (open: Int, idle: Int, waiting: Int) { pool.statistics }

    /// Closes the idle connections and refuses whoever waits or comes; a connection at work is closed when it is done.
    public func close() async {
        await pool.close()
    }
}

extension Database: Service {
    /// Closes the pool when the process is told to stop. First in the list of services, it is the last to stop.
    public func run() async throws {
        try? await gracefulShutdown()
        await close()
    }
}
