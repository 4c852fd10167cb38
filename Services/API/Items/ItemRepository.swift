import Database
import Foundation
import Models
import Repositories

struct NewItem: Sendable {
    /// Unique in its company.
    var code: String
    var name: String
    /// Free text.
    var kind: String
    /// Becomes columns of the workbook.
    var attributes: [String: JSONValue]
}

/// What to change of an item; nil leaves a field as it is.
struct ItemChanges: Sendable {
    var code: String?
    var name: String?
    var kind: String?
    /// Replaces all the old ones.
    var attributes: [String: JSONValue]?
}

/// A company's items. Every method is scoped by the company.
struct ItemRepository: Sendable {
    /// The unique index that a taken code violates.
    static let codeIndex = "items_code"

    private let database: Database

    init(_ database: Database) {
        self.database = database
    }

    /// Throws a unique violation of ``codeIndex`` if the code is taken.
    func create(_ item: NewItem, in company: CompanyID) async throws(DatabaseError) -> ItemView {
        let rows = try await database.run(
            Self.insert(ItemID.new(), company, item.code, item.name, item.kind, JSON(item.attributes))
        )
        guard let item = rows.first else { throw DatabaseError.undecodable("the new item did not come back") }
        return item
    }

    func find(_ id: ItemID, in company: CompanyID) async throws(DatabaseError) -> ItemView? {
        try await database.first(Self.byID(id, company))
    }

    /// A page ends when its items have as many bytes of attributes, or with the first item that has more.
    static let pageBytes = 256 << 10

    /// Newest first. `text` selects items whose code or name contains it, in any case; `before`, those older than that
    /// one. A page whose attributes have more than ``pageBytes`` is shortened.
    func page(
        in company: CompanyID,
        text: String?,
        kind: String?,
        before: ItemID?,
        limit: Int
    ) async throws(DatabaseError) -> (items: [ItemView], isShortened: Bool) {
        let rows = try await database.run(Self.page(company, text, kind, before, limit, Self.pageBytes))
        return (rows.map(\.item), rows.first.map { $0.available > rows.count } ?? false)
    }

    /// Nil if there is no item of that id. Throws a unique violation of ``codeIndex`` if the new code is taken.
    func update(
        _ id: ItemID,
        _ changes: ItemChanges,
        in company: CompanyID
    ) async throws(DatabaseError) -> ItemView? {
        try await database.first(
            Self.change(id, company, changes.code, changes.name, changes.kind, changes.attributes.map(JSON.init))
        )
    }

    /// Hides an item and its assets; false if there is none of that id.
    func delete(_ id: ItemID, in company: CompanyID) async throws(DatabaseError) -> Bool {
        let results = try await database.transaction([
            Self.markDeleted(id, company), Self.markAssetsDeleted(id, company),
        ])
        return results[0].affected > 0
    }

    private static let insert = Query<ItemView>(
        """
        INSERT INTO items (id, company_id, code, name, kind, attributes) VALUES ($1, $2, $3, $4, $5, $6)
        RETURNING id, code, name, kind, attributes, created_at, updated_at
        """
    )
    private static let byID = Query<ItemView>(
        """
        SELECT id, code, name, kind, attributes, created_at, updated_at FROM items
         WHERE id = $1 AND company_id = $2 AND deleted_at IS NULL
        """
    )
    private static let page = Query<PageRow>(
        """
        SELECT id, code, name, kind, attributes, created_at, updated_at, available
          FROM (SELECT *, count(*) OVER () AS available,
                       coalesce(sum(attributes_bytes)
                                    OVER (ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
                  FROM (SELECT id, code, name, kind, attributes, attributes_bytes, created_at, updated_at FROM items
                         WHERE company_id = $1 AND deleted_at IS NULL
                           AND ($2::text IS NULL OR position(lower($2) IN lower(code)) > 0
                                OR position(lower($2) IN lower(name)) > 0)
                           AND ($3::text IS NULL OR kind = $3)
                           AND ($4::uuid IS NULL OR id < $4)
                         ORDER BY id DESC LIMIT $5) page) sized
         WHERE before < $6
         ORDER BY id DESC
        """
    )
    private static let change = Query<ItemView>(
        """
        UPDATE items SET code = coalesce($3, code), name = coalesce($4, name), kind = coalesce($5, kind),
               attributes = coalesce($6, attributes), updated_at = now()
         WHERE id = $1 AND company_id = $2 AND deleted_at IS NULL
        RETURNING id, code, name, kind, attributes, created_at, updated_at
        """
    )
    private static let markDeleted = Query<NoRow>(
        "UPDATE items SET deleted_at = now() WHERE id = $1 AND company_id = $2 AND deleted_at IS NULL"
    )
    private static let markAssetsDeleted = Query<NoRow>(
        "UPDATE assets SET deleted_at = now() WHERE item_id = $1 AND company_id = $2 AND deleted_at IS NULL"
    )
}

/// An item as it is shown. Its attributes are passed on as the database wrote them: reading and writing them again would
/// cost a thousand times as much.
struct ItemView: PartlyWritten, RowDecodable {
    let id: ItemID
    let code: String
    let name: String
    let kind: String
    let createdAt: Date
    let updatedAt: Date
    let written: WrittenField

    init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        code = try row["code"]
        name = try row["name"]
        kind = try row["kind"]
        createdAt = try row["created_at"]
        updatedAt = try row["updated_at"]
        written = WrittenField(name: "attributes", json: try row["attributes"])
    }

    private enum CodingKeys: CodingKey { case id, code, name, kind, createdAt, updatedAt }
}

/// An item of a page, and how many rows the page would have if they were small.
private struct PageRow: RowDecodable {
    let item: ItemView
    let available: Int

    init(from row: borrowing Row) throws(DatabaseError) {
        item = try ItemView(from: row)
        available = try row["available"]
    }
}
