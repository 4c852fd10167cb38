public import Database
public import Models

/// A user together with what its password is checked against.
public struct Credentials: Sendable {
    public let user: User
    /// An Argon2id string; never logged, never sent.
    public let passwordHash: String
}

public struct UserRepository: Sendable {
    private let database: Database

    public init(_ database: Database) {
        self.database = database
    }

    /// Keeps the address in lower case. Throws a unique violation of `users_email_key` if it is taken.
    public func create(
        company: CompanyID,
        email: String,
        passwordHash: String,
        role: User.Role
    ) async throws(DatabaseError) -> User {
        let user = User(id: .new(), company: company, email: email.lowercased(), role: role)
        _ = try await database.run(Self.insert(user.id, company, user.email, passwordHash, role))
        return user
    }

    /// The user of that address, in whatever case it is written.
    public func credentials(email: String) async throws(DatabaseError) -> Credentials? {
        try await database.first(Self.byEmail(email.lowercased()))
    }

    /// Every user of a company, by address.
    public func all(of company: CompanyID) async throws(DatabaseError) -> [User] {
        try await database.run(Self.ofCompany(company))
    }

    public func isEmpty() async throws(DatabaseError) -> Bool {
        try await database.first(Self.anyUser()) == nil
    }

    /// Makes the first company and its admin, unless there is a user already; says whether it did. Of several processes
    /// at once, one makes both.
    public func createFirst(
        company name: String,
        email: String,
        passwordHash: String
    ) async throws(DatabaseError) -> Bool {
        let results = try await database.transaction([
            AdvisoryLock("tolva first user").forTransaction,
            Self.insertFirst(CompanyID.new(), name, UserID.new(), email.lowercased(), passwordHash),
        ])
        return try results[1].decode(User.self).isEmpty == false
    }

    private static let insert = Query<NoRow>(
        "INSERT INTO users (id, company_id, email, password_hash, role) VALUES ($1, $2, $3, $4, $5)"
    )
    private static let byEmail = Query<Credentials>(
        "SELECT id, company_id, email, role, password_hash FROM users WHERE email = $1"
    )
    private static let ofCompany = Query<User>(
        "SELECT id, company_id, email, role FROM users WHERE company_id = $1 ORDER BY email"
    )
    private static let anyUser = Query<User>("SELECT id, company_id, email, role FROM users LIMIT 1")
    private static let insertFirst = Query<User>(
        """
        WITH company AS (
            INSERT INTO companies (id, name) SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM users)
            ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id)
        INSERT INTO users (id, company_id, email, password_hash, role)
        SELECT $3, id, $4, $5, 'admin' FROM company
        RETURNING id, company_id, email, role
        """
    )
}

extension User: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        self.init(
            id: try row["id"],
            company: try row["company_id"],
            email: try row["email"],
            role: try row["role"]
        )
    }
}

extension User.Role: DatabaseValue {}

extension Credentials: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        user = try User(from: row)
        passwordHash = try row["password_hash"]
    }
}
