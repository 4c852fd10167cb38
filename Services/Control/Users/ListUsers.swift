import ArgumentParser
import Database
import Models
import Repositories

/// `tolvactl user list`
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
