import Database
import Foundation
import Models

/// Sign-ins. A token itself is never stored, only its SHA-256.
struct SessionRepository: Sendable {
    private let database: Database

    /// Reads and writes through a pool.
    init(_ database: Database) {
        self.database = database
    }

    /// Opens a session and clears away expired ones.
    ///
    /// - Returns: When it ends, by the database's clock.
    func open(_ tokenHash: String, for user: UserID, life: Duration) async throws(DatabaseError) -> Date {
        let results = try await database.transaction([
            Self.clear(),
            Self.insert(tokenHash, user, Double(life.components.seconds)),
        ])
        guard let session = try results[1].decode(Expiry.self).first else {
            throw DatabaseError.undecodable("the session's expiry did not come back")
        }
        return session.moment
    }

    /// The user a live token belongs to.
    func user(of tokenHash: String) async throws(DatabaseError) -> User? {
        try await database.first(Self.byToken(tokenHash))
    }

    /// Ends a session; one that has ended already is not an error.
    func close(_ tokenHash: String) async throws(DatabaseError) {
        _ = try await database.run(Self.delete(tokenHash))
    }

    private struct Expiry: RowDecodable {
        let moment: Date
        init(from row: borrowing Row) throws(DatabaseError) { moment = try row["expires_at"] }
    }

    private static let clear = Query<NoRow>("DELETE FROM sessions WHERE expires_at < now()")
    private static let insert = Query<Expiry>(
        """
        INSERT INTO sessions (token_hash, user_id, expires_at) VALUES ($1, $2, now() + $3::float8 * interval '1 s')
        RETURNING expires_at
        """
    )
    private static let byToken = Query<User>(
        """
        SELECT u.id, u.company_id, u.email, u.role
          FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.token_hash = $1 AND s.expires_at > now()
        """
    )
    private static let delete = Query<NoRow>("DELETE FROM sessions WHERE token_hash = $1")
}
