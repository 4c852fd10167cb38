import Database
import Foundation
import HTTPTypes
import Hummingbird
import Models
import Passwords
import Repositories

struct SessionController: Sendable {
    let users: UserRepository
    let sessions: SessionRepository
    let passwords: PasswordHasher
    let throttle: SignInThrottle
    /// Of networks: nobody is signed in yet.
    let turns: Turns<String>
    let sessionLife: Duration

    private struct SignIn: Decodable {
        let email: String
        let password: String
    }

    private struct SignedIn: Encodable {
        let token: String
        let expiresAt: Date
        let user: UserView
    }

    func open(_ request: Request, context: APIContext) async throws -> Response {
        let signIn = try await JSONBody.decode(SignIn.self, from: request, context)
        let email = try InputText.line(signIn.email, "email", most: 254)
        guard signIn.password.utf8.count <= 1024 else { throw APIError.wrongCredentials }
        return try await APIError.slowed {
            try await turns.take(SignInThrottle.network(of: context.clientAddress)) {
                try await open(signIn.password, of: email, from: context)
            }
        }
    }

    private func open(_ password: String, of email: String, from context: APIContext) async throws -> Response {
        if let pause = throttle.pause(account: email, address: context.clientAddress) {
            throw APIError.tooManyAttempts(retryAfter: pause)
        }
        let credentials = try await users.credentials(email: email)
        // An unknown address costs the same time as a wrong password, so that neither tells which addresses exist.
        guard try await passwords.verify(password, against: credentials?.passwordHash), let credentials else {
            throttle.failed(account: email, address: context.clientAddress)
            throw APIError.wrongCredentials
        }
        throttle.succeeded(account: email, address: context.clientAddress)
        let token = SessionToken.new()
        let expiry = try await sessions.open(token.hash, for: credentials.user.id, life: sessionLife)
        let answer = SignedIn(token: token.text, expiresAt: expiry, user: UserView(credentials.user))
        var response = try JSONBody.response(answer, status: .created)
        response.headers[.cacheControl] = "no-store"
        return response
    }

    /// `DELETE /v1/sessions`: ends the session whose token the request carries.
    func close(_ request: Request, context: UserContext) async throws -> Response {
        guard let token = SessionToken(header: request.headers[.authorization]) else {
            throw APIError.unauthenticated
        }
        try await sessions.close(token.hash)
        return Response(status: .noContent)
    }
}

struct UserView: Encodable {
    let id: UserID
    let email: String
    let role: User.Role
    let companyId: CompanyID

    init(_ user: User) {
        id = user.id
        email = user.email
        role = user.role
        companyId = user.company
    }
}
