import ArgumentParser
public import Database
import Foundation
public import Models

struct CompanyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "company",
        abstract: "Companies: everything belongs to exactly one.",
        subcommands: [CreateCompany.self, ListCompanies.self]
    )
}

struct CreateCompany: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Makes a company.")

    @Argument(help: "Its name, as people write it.")
    var name: String

    func validate() throws {
        guard !name.isEmpty, name.utf8.count <= 200, name == name.trimmingCharacters(in: .whitespacesAndNewlines) else {
            throw ValidationError("A name has 1 to 200 bytes and no spaces around it.")
        }
    }

    func run() async throws {
        try await Database.with { database in
            do {
                let company = try await CompanyRepository(database).create(name: name)
                print("company \(company.name) \(company.id)")
            } catch let error as DatabaseError where error.isUniqueViolation(of: "companies_name_key") {
                throw ControlError("There is a company \(name) already.")
            }
        }
    }
}

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

struct CompanyRepository: Sendable {
    private let database: Database

    init(_ database: Database) {
        self.database = database
    }

    /// - Throws: `DatabaseError` with a unique violation of `companies_name_key` if the name is taken.
    func create(name: String) async throws(DatabaseError) -> Company {
        let company = Company(id: .new(), name: name)
        _ = try await database.run(Self.insert(company.id, company.name))
        return company
    }

    /// By name.
    func all() async throws(DatabaseError) -> [Company] {
        try await database.run(Self.byAnyName())
    }

    /// The company of exactly this name. Throws `ControlError` if there is none.
    func named(_ name: String) async throws -> Company {
        guard let company = try await database.first(Self.byName(name)) else {
            throw ControlError("There is no company \(name). Run: tolvactl company list")
        }
        return company
    }

    /// Nil if no name is given. Throws `ControlError` if there is no such company.
    func id(named name: String?) async throws -> CompanyID? {
        guard let name else { return nil }
        return try await named(name).id
    }

    private static let insert = Query<NoRow>("INSERT INTO companies (id, name) VALUES ($1, $2)")
    private static let byName = Query<Company>("SELECT id, name FROM companies WHERE name = $1")
    private static let byAnyName = Query<Company>("SELECT id, name FROM companies ORDER BY name")
}

extension Company: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        self.init(id: try row["id"], name: try row["name"])
    }
}
