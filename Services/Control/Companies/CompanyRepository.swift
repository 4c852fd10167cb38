public import Database
public import Models

/// Companies, for the operator's command line and the first start.
struct CompanyRepository: Sendable {
    private let database: Database

    /// Reads and writes through a pool.
    init(_ database: Database) {
        self.database = database
    }

    /// Makes a company.
    ///
    /// - Throws: `DatabaseError` with a unique violation of `companies_name_key` if the name is taken.
    func create(name: String) async throws(DatabaseError) -> Company {
        let company = Company(id: .new(), name: name)
        _ = try await database.run(Self.insert(company.id, company.name))
        return company
    }

    /// The company of that name, as it is written.
    func find(name: String) async throws(DatabaseError) -> Company? {
        try await database.first(Self.byName(name))
    }

    /// Every company, by name.
    func all() async throws(DatabaseError) -> [Company] {
        try await database.run(Self.byAnyName())
    }

    private static let insert = Query<NoRow>("INSERT INTO companies (id, name) VALUES ($1, $2)")
    private static let byName = Query<Company>("SELECT id, name FROM companies WHERE name = $1")
    private static let byAnyName = Query<Company>("SELECT id, name FROM companies ORDER BY name")
}

extension Company: RowDecodable {
    /// Reads `id` and `name`.
    public init(from row: borrowing Row) throws(DatabaseError) {
        self.init(id: try row["id"], name: try row["name"])
    }
}
