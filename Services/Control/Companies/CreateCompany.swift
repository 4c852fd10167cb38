import ArgumentParser
import Database
import Foundation
import Models

/// `tolvactl company create NAME`
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
