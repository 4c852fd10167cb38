/// A tenant. Everything belongs to exactly one company, and nobody sees another's.
public struct Company: Hashable, Sendable {
    public let id: CompanyID
    public let name: String

    public init(id: CompanyID, name: String) {
        self.id = id
        self.name = name
    }
}

public typealias CompanyID = Identifier<Company>

/// A person who signs in with an e-mail address and a password, in one company.
public struct User: Hashable, Sendable {
    /// What a user may do; each role may do all the ones below it may.
    public enum Role: String, CaseIterable, Codable, Sendable {
        /// Runs the company's account: sees queues and instances as well.
        case admin
        /// Uploads, edits and deletes.
        case member
        /// Looks and downloads.
        case viewer

        /// Whether this role may change items and assets.
        public var mayWrite: Bool { self != .viewer }
    }

    public let id: UserID
    public let company: CompanyID
    /// The address it signs in with, in lower case.
    public let email: String
    public let role: Role

    public init(id: UserID, company: CompanyID, email: String, role: Role) {
        self.id = id
        self.company = company
        self.email = email
        self.role = role
    }
}

public typealias UserID = Identifier<User>
