import Database
import Models

extension CompanyRepository {
    /// The company an argument names.
    ///
    /// - Throws: `ControlError` if there is none.
    func named(_ name: String) async throws -> Company {
        guard let company = try await find(name: name) else { throw ControlError.noCompany(name) }
        return company
    }

    /// The id of the company an option names; nil if it is not given.
    ///
    /// - Throws: `ControlError` if there is none.
    func id(named name: String?) async throws -> CompanyID? {
        guard let name else { return nil }
        return try await named(name).id
    }
}
