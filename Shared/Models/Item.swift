public import Foundation

/// What media is about: a piece of equipment, a service order.
public struct Item: Hashable, Sendable {
    /// Its id.
    public let id: ItemID
    /// Unique in its company, e.g. `EQ-001`.
    public var code: String
    /// What people call it.
    public var name: String
    /// Free text: equipment, service order…
    public var kind: String
    /// Becomes columns of the workbook.
    public var attributes: [String: JSONValue]
    /// When it was made.
    public let createdAt: Date
    /// When it was last changed.
    public let updatedAt: Date

    /// Makes the value; nothing is stored.
    public init(
        id: ItemID,
        code: String,
        name: String,
        kind: String,
        attributes: [String: JSONValue],
        createdAt: Date,
        updatedAt: Date
    ) {
        self.id = id
        self.code = code
        self.name = name
        self.kind = kind
        self.attributes = attributes
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// The id of an item.
public typealias ItemID = Identifier<Item>
