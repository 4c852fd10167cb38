import Crypto
import Database
import Foundation
import Hummingbird
import Logging
import Models

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

    /// What the database knows.
    var hash: String { Data(SHA256.hash(data: Data(text.utf8))).base64URL }
}

/// Finds out who sent a request. A request without a valid token or ticket goes no further.
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
