import ArgumentParser
import Config
import Database
import Glibc
import Models
import Passwords
import Repositories

struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user",
        abstract: "Users: each signs in with an e-mail address, in one company.",
        subcommands: [CreateUser.self, ListUsers.self]
    )
}

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

    @Option(help: "admin, member or viewer.", transform: { try choice($0, "role") })
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
        let hash = try await PasswordHasher().hash(try password())
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

    /// From the standard input, from `TOLVA_PASSWORD`, or from the person at the terminal.
    private func password() throws -> String {
        if passwordStdin {
            guard let line = readLine(), !line.isEmpty else {
                throw ControlError("The standard input holds no password.")
            }
            return line
        }
        if let password = SettingsReader.environment().string("TOLVA_PASSWORD", isSecret: true) { return password }
        guard isatty(STDIN_FILENO) == 1 else {
            throw ControlError("There is no terminal to ask for the password: use --password-stdin or TOLVA_PASSWORD.")
        }
        let password = try Self.prompt("Password: ")
        guard try Self.prompt("The same again: ") == password else { throw ControlError("The two passwords differ.") }
        return password
    }

    private static func prompt(_ text: String) throws -> String {
        guard let answer = getpass(text) else { throw ControlError("The password could not be read.") }
        return String(cString: answer)
    }
}

struct ListUsers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists the users.")

    @Option(help: "Only those of the company with this name.")
    var company: String?

    @Flag(help: "Print JSON.")
    var json = false

    private struct Line: Encodable {
        let id: String
        let email: String
        let role: String
        let company: String
    }

    func run() async throws {
        let lines = try await Database.with { database in
            var lines: [Line] = []
            for company in try await companies(in: database) {
                for user in try await UserRepository(database).all(of: company.id) {
                    let id = user.id.description
                    lines.append(Line(id: id, email: user.email, role: user.role.rawValue, company: company.name))
                }
            }
            return lines
        }
        if json {
            try Terminal.printJSON(lines)
        } else {
            Terminal.printTable(["EMAIL", "ROLE", "COMPANY"], lines.map { [$0.email, $0.role, $0.company] })
        }
    }

    private func companies(in database: Database) async throws -> [Company] {
        let companies = CompanyRepository(database)
        guard let name = company else { return try await companies.all() }
        return [try await companies.named(name)]
    }
}
