import ArgumentParser
import Database
import Models
import Passwords
import Repositories

/// `tolvactl user create EMAIL --company NAME --role ROLE`
struct CreateUser: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Makes a user.",
        discussion: """
            The password is asked for, twice; or it is the first line of the standard input with --password-stdin; \
            or it is in TOLVA_PASSWORD. It is never an argument, which other people on the machine could read.
            """
    )

    @Argument(help: "The address the user signs in with.")
    var email: String

    @Option(help: "The name of the user's company.")
    var company: String

    @Option(help: "admin, member or viewer.", transform: Self.role)
    var role: User.Role

    @Flag(help: "Read the password from the standard input.")
    var passwordStdin = false

    func validate() throws {
        let parts = email.split(separator: "@", omittingEmptySubsequences: false)
        let isPlain = email.allSatisfy { !$0.isWhitespace && $0 != "<" && $0 != ">" }
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), isPlain, email.utf8.count <= 254 else {
            throw ValidationError("\(email) is not an e-mail address.")
        }
    }

    func run() async throws {
        let password = try NewPassword.read(fromStandardInput: passwordStdin)
        let hash = try await PasswordHasher().hash(password)
        try await Database.with { database in
            let company = try await CompanyRepository(database).named(company)
            let users = UserRepository(database)
            do {
                let user = try await users.create(company: company.id, email: email, passwordHash: hash, role: role)
                print("user \(user.email) \(user.id)")
            } catch let error as DatabaseError where error.isUniqueViolation(of: "users_email_key") {
                throw ControlError("There is a user \(email) already.")
            }
        }
    }

    private static func role(_ word: String) throws -> User.Role {
        guard let role = User.Role(rawValue: word.lowercased()) else {
            throw ValidationError("A role is one of admin, member, viewer.")
        }
        return role
    }
}
