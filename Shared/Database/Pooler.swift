import CLibPQ

/// A program that shares the server's sessions among its clients (PgBouncer, Odyssey), as far as it shows.
public struct Pooler: Hashable, Sendable {
    /// The settings asked for that the session does not have.
    public let lostSettings: [String]
}

/// The session as the server sees it.
private struct SessionFacts: RowDecodable {
    static let query = Query<SessionFacts>(
        """
        SELECT pg_backend_pid() AS process,
               current_setting('statement_timeout')::interval = $1::float8 * interval '1 ms' AS limits_statements,
               current_setting('idle_in_transaction_session_timeout')::interval = $2::float8 * interval '1 ms'
                   AS limits_transactions,
               current_setting('DateStyle') AS date_style
        """
    )

    let process: Int32
    let limitsStatements: Bool
    let limitsTransactions: Bool
    let dateStyle: String

    init(from row: borrowing Row) throws(DatabaseError) {
        process = try row["process"]
        limitsStatements = try row["limits_statements"]
        limitsTransactions = try row["limits_transactions"]
        dateStyle = try row["date_style"]
    }
}

extension LibPQConnection {
    /// Finds out whether a pooler stands before the server: it tells its clients another process than the one that
    /// answers them, since it may lend each transaction another session. And whether the session has the settings that
    /// were asked for, which poolers are told to pass over.
    func meetServer(_ settings: DatabaseSettings) throws(DatabaseError) {
        let query = SessionFacts.query(Self.statementTimeout(settings), Self.idleTransactionTimeout)
        var request = request(nil)
        // What is not prepared cannot be left behind in a session of another.
        pooler = Pooler(lostSettings: [])
        let facts = try run([try query.bound()], &request)[0].decodeFirst(SessionFacts.self)
        guard let facts else { throw lost("the session does not say what it is") }
        guard facts.dateStyle.hasPrefix("ISO") else {
            let message = "sessions have the DateStyle \(facts.dateStyle): ALTER ROLE … SET DateStyle TO 'ISO'"
            throw DatabaseError(kind: .unavailable, message: message)
        }
        var lost: [String] = []
        if !facts.limitsStatements { lost.append("statement_timeout") }
        if !facts.limitsTransactions { lost.append("idle_in_transaction_session_timeout") }
        pooler = facts.process == PQbackendPID(handle) && lost.isEmpty ? nil : Pooler(lostSettings: lost)
    }
}
