import Crypto
import Database
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Models

/// Identifies the sender of a request; a request without a valid token or ticket is refused.
struct Authentication: RouterMiddleware {
    typealias Context = APIContext

    let sessions: SessionRepository

    @concurrent func handle(
        _ request: Request,
        context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard let hash = SessionToken(header: request.headers[.authorization])?.hash ?? DownloadTicket(request)?.hash,
            let user = try await sessions.user(of: hash)
        else { throw APIError.unauthenticated }
        var context = context
        context.user = user
        context.logger[metadataKey: "company"] = "\(user.company)"
        context.logger[metadataKey: "user"] = "\(user.id)"
        return try await next(request, context)
    }
}

/// A bearer token: 32 random bytes the client keeps, of which the database knows only the hash.
struct SessionToken {
    let text: String

    static func new() -> SessionToken {
        var generator = SystemRandomNumberGenerator()
        let bytes = Data((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
        return SessionToken(text: "tolva_" + bytes.base64URL)
    }

    /// The token of an `Authorization: Bearer` header; nil for none and for anything that cannot be one.
    init?(header: String?) {
        guard let header, header.lowercased().hasPrefix("bearer ") else { return nil }
        let text = header.dropFirst("bearer ".count).trimmingCharacters(in: .whitespaces)
        guard (1...256).contains(text.utf8.count) else { return nil }
        self.text = text
    }

    private init(text: String) { self.text = text }

    var hash: String { Data(SHA256.hash(data: Data(text.utf8))).base64URL }
}

/// A secret that lets its holder fetch one path, for an hour.
///
/// A browser saves to disk only what it downloads by itself, and it can be given nothing but a URL for that. So the
/// ticket is in the URL, and is worth little: it opens one path, for reading, as the user it was made for.
///
/// It is stored like a session, as a hash that also covers the path.
struct DownloadTicket {
    /// Long enough to resume a download over a broken phone link; the client resumes at the same URL.
    static let life = Duration.seconds(3600)

    let path: String
    let text: String

    static func new(for path: String) -> DownloadTicket {
        DownloadTicket(path: path, text: SessionToken.new().text)
    }

    /// The ticket in the URL of a GET or HEAD request; nil without one, and for any other method.
    init?(_ request: Request) {
        guard [.get, .head].contains(request.method),
            let text = (try? QueryParameters(request))?["ticket"], (1...256).contains(text.utf8.count)
        else { return nil }
        self.init(path: request.uri.path, text: text)
    }

    private init(path: String, text: String) {
        self.path = path
        self.text = text
    }

    var url: String { "\(path)?ticket=\(text)" }

    /// What the database stores. No token's hash begins with “ticket ”, so that a ticket cannot serve as a token.
    var hash: String { "ticket " + Data(SHA256.hash(data: Data("\(path) \(text)".utf8))).base64URL }
}

/// The table of sign-ins and download tickets. Of a token or ticket only the hash is stored.
struct SessionRepository: Sendable {
    private let database: Database
    private let users = ShortMemory<String, User>()

    init(_ database: Database) {
        self.database = database
    }

    /// Opens a session and deletes expired ones. Returns when the session ends, by the database's clock.
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

    /// The user a token belongs to that is live, or was less than a second ago.
    func user(of tokenHash: String) async throws(DatabaseError) -> User? {
        try await users.value(for: tokenHash) { () throws(DatabaseError) in
            try await database.first(Self.byToken(tokenHash))
        }
    }

    /// Ends a session, in this process at once; an already ended one is not an error.
    func close(_ tokenHash: String) async throws(DatabaseError) {
        _ = try await database.run(Self.delete(tokenHash))
        users.forget(tokenHash)
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
