public import Foundation

/// What media is about: a piece of equipment, a service order.
public struct Item: Hashable, Codable, Sendable {
    public let id: ItemID
    /// Unique in its company, e.g. `EQ-001`.
    public var code: String
    public var name: String
    /// Free text: equipment, service order…
    public var kind: String
    /// Becomes columns of the workbook.
    public var attributes: [String: JSONValue]
    public let createdAt: Date
    public let updatedAt: Date

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

public typealias ItemID = Identifier<Item>
