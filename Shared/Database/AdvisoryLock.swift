/// A lock that is no row's: Postgres keeps it for a session or a transaction, and drops it with them.
public struct AdvisoryLock: Sendable {
    private let number: Int64?
    private let name: String?

    public init(_ name: String) {
        (number, self.name) = (nil, name)
    }

    init(number: Int64) {
        (self.number, name) = (number, nil)
    }

    /// Waits for the lock, and has it to the end of the transaction.
    public var forTransaction: any AnyStatement { Self.waitForTransaction(number, name) }

    /// Waits for the lock, and has it to the end of the session.
    var forSession: any AnyStatement { Self.waitForSession(number, name) }

    /// Takes the lock to the end of the connection's transaction; false if another has it.
    public func isTaken(on connection: Connection) async throws(DatabaseError) -> Bool {
        try await connection.first(Self.tryForTransaction(number, name))?.isTaken == true
    }

    private struct Attempt: RowDecodable {
        let isTaken: Bool

        init(from row: borrowing Row) throws(DatabaseError) { isTaken = try row["taken"] }
    }

    private static let waitForTransaction = Query<NoRow>(
        "SELECT pg_advisory_xact_lock(coalesce($1::bigint, hashtextextended($2::text, 0)))"
    )
    private static let waitForSession = Query<NoRow>(
        "SELECT pg_advisory_lock(coalesce($1::bigint, hashtextextended($2::text, 0)))"
    )
    private static let tryForTransaction = Query<Attempt>(
        "SELECT pg_try_advisory_xact_lock(coalesce($1::bigint, hashtextextended($2::text, 0))) AS taken"
    )
}
