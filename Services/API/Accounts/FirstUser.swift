import Database
import Logging
import Models
import Passwords
import Repositories
import ServiceLifecycle
import Synchronization
import Telemetry

/// Makes company “Demo” and its admin in a database that has no user yet.
final class FirstUser: Service {
    private let email: String?
    private let password: String?
    private let users: UserRepository
    private let passwords: PasswordHasher
    private let logger: Logger
    private let isSettled = Atomic(false)

    init(settings: APISettings, users: UserRepository, passwords: PasswordHasher, logger: Logger) {
        email = settings.adminEmail
        password = settings.adminPassword
        self.users = users
        self.passwords = passwords
        self.logger = logger
    }

    /// Not ready until it is known that a user exists, or that none is to be made.
    var check: DependencyStatus {
        isSettled.load(ordering: .relaxed)
            ? .ok
            : .failed("it is not known yet whether there is a user", action: "Wait; if it stays, see the database.")
    }

    /// Waits for the database, checks once, then idles until the process stops.
    func run() async throws {
        try? await cancelWhenGracefulShutdown { [self] in
            while true {
                do {
                    try await createIfNeeded()
                    isSettled.store(true, ordering: .relaxed)
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
