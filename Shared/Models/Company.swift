/// A tenant. Everything belongs to exactly one company, and nobody sees another's.
public struct Company: Hashable, Sendable {
    /// Its id.
    public let id: CompanyID
    /// Its name, as people write it.
    public let name: String

    /// Makes the value; nothing is stored.
    public init(id: CompanyID, name: String) {
        self.id = id
        self.name = name
    }
}

/// The id of a company.
public typealias CompanyID = Identifier<Company>
