import Database
import Logging
import Passwords
import ServiceLifecycle

/// Makes company “Demo” and its admin in a database that has no user yet.
struct FirstUser: Service {
    let email: String?
    let password: String?
    let users: UserRepository
    let passwords: PasswordHasher
    let logger: Logger

    /// Waits for the database, looks once, and then has nothing more to do until the process stops.
    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while true {
                do {
                    try await createIfNeeded()
                    break
                } catch {
                    logger.warning("The first user could not be looked for yet", metadata: ["error": "\(error)"])
                }
                try await Task.sleep(for: .seconds(2))
            }
        }
        try? await gracefulShutdown()
    }

    private func createIfNeeded() async throws {
        guard try await users.isEmpty() else { return }
        guard let email, let password else {
            logger.warning(
                "There is no user yet. Set ADMIN_EMAIL and ADMIN_PASSWORD and start again, or run tolvactl user create."
            )
            return
        }
        let hash = try await passwords.hash(password)
        if try await users.createFirst(company: "Demo", email: email, passwordHash: hash) {
            logger.info("Company “Demo” and its admin were created", metadata: ["email": "\(email)"])
        }
    }
}
