import ArgumentParser
import Database
import Models

/// `tolvactl company list`
struct ListCompanies: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists the companies.")

    @Flag(help: "Print JSON.")
    var json = false

    private struct Line: Encodable {
        let id: String
        let name: String
    }

    func run() async throws {
        let companies = try await Database.with { try await CompanyRepository($0).all() }
        if json {
            try Terminal.printJSON(companies.map { Line(id: $0.id.description, name: $0.name) })
        } else {
            Terminal.printTable(["ID", "NAME"], companies.map { [$0.id.description, $0.name] })
        }
    }
}
