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
    private let present = ShortMemory<Place, Bool>()

    private struct Place: Hashable {
        let company: CompanyID
        let item: ItemID
    }

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

    /// Whether an item is there, or was less than a second ago: whoever adds to it has to look once more.
    func has(_ id: ItemID, in company: CompanyID) async throws(DatabaseError) -> Bool {
        try await present.value(for: Place(company: company, item: id)) { () throws(DatabaseError) in
            try await database.first(Self.isThere(id, company)).map { _ in true }
        } != nil
    }

    /// A page ends when its items have as many bytes of attributes, or with the first item that has more.
    static let pageBytes = 256 << 10

    /// Newest first. `words` selects items whose code and name have all of them; `before`, those older than that one. A
    /// page whose attributes have more than ``pageBytes`` is shortened.
    func page(
        in company: CompanyID,
        words: SearchWords?,
        kind: String?,
        before: ItemID?,
        limit: Int
    ) async throws(DatabaseError) -> (items: [ItemView], isShortened: Bool) {
        let rows = try await database.run(Self.page(company, words?.patterns ?? [], kind, before, limit))
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
        present.forget(Place(company: company, item: id))
        return results[0].affected > 0
    }

    private static let insert = Query<ItemView>(
        """
        INSERT INTO items (id, company_id, code, name, kind, attributes) VALUES ($1, $2, $3, $4, $5, $6)
        RETURNING id, code, name, kind, attributes, created_at, updated_at
        """
    )
    private static let isThere = Query<NoRow>(
        "SELECT FROM items WHERE id = $1 AND company_id = $2 AND deleted_at IS NULL"
    )
    private static let byID = Query<ItemView>(
        """
        SELECT id, code, name, kind, attributes, created_at, updated_at FROM items
         WHERE id = $1 AND company_id = $2 AND deleted_at IS NULL
        """
    )
    /// The ids of the page are found first, and only those items are looked at whole. The number of rows stands in the
    /// text, since the server would suppose a tenth of all for a parameter.
    private static func page(
        _ company: CompanyID,
        _ patterns: [String],
        _ kind: String?,
        _ before: ItemID?,
        _ limit: Int
    ) -> Statement<PageRow> {
        var page = ComposedStatement<PageRow>()
        page.add("SELECT * FROM (")
        page.add("SELECT *, count(*) OVER () AS available, coalesce(sum(attributes_bytes) OVER")
        page.add("(ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before FROM (")
        page.add("SELECT id, code, name, kind, attributes, attributes_bytes, created_at, updated_at FROM items")
        page.add("WHERE id IN (")
        if patterns.isEmpty {
            page.addItems("id", company, before)
            page.add("AND kind = ?", ifAny: kind)
            page.add(limit > 51 ? "ORDER BY id DESC LIMIT 201" : "ORDER BY id DESC LIMIT 51")
        } else {
            page.addSearch(company, patterns, kind, before, limit)
        }
        page.add(") ORDER BY id DESC LIMIT ?) page) sized WHERE before < ? ORDER BY id DESC", limit, pageBytes)
        return page.statement
    }

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

extension ComposedStatement {
    fileprivate mutating func addItems(_ columns: StaticString, _ company: CompanyID, _ before: ItemID?) {
        add("SELECT")
        add(columns)
        add("FROM items WHERE company_id = ? AND deleted_at IS NULL", company)
        add("AND id < ?", ifAny: before)
    }

    /// Words that many items have fill a page from the newest ones. Those that are rare are found by the index, which would
    /// give all the items of a common one first. So the newest are looked through; then, if they have some, ten times as
    /// many; then, if the page is not full, the index is asked.
    fileprivate mutating func addSearch(
        _ company: CompanyID,
        _ patterns: [String],
        _ kind: String?,
        _ before: ItemID?,
        _ limit: Int
    ) {
        add("WITH newest AS MATERIALIZED (SELECT id FROM (")
        addItems("id, kind, search", company, before)
        add("ORDER BY id DESC LIMIT 1000) item WHERE true")
        addMatch(patterns, kind)
        add("ORDER BY id DESC LIMIT ?), newer AS MATERIALIZED (SELECT id FROM (", limit)
        addItems("id, kind, search", company, before)
        add("AND (SELECT count(*) FROM newest) BETWEEN 5 AND ? - 1", limit)
        add("ORDER BY id DESC OFFSET 1000 LIMIT 9000) item WHERE true")
        addMatch(patterns, kind)
        add("ORDER BY id DESC LIMIT ?), found AS MATERIALIZED (", limit)
        addItems("id", company, before)
        addMatch(patterns, kind)
        add("AND (SELECT count(*) FROM newest) + (SELECT count(*) FROM newer) < ?)", limit)
        add("SELECT id FROM newest UNION ALL SELECT id FROM newer")
        add("UNION ALL (SELECT id FROM found ORDER BY id DESC LIMIT ?)", limit)
    }

    /// Words of one or two letters are in very many items: beside a longer one they are not sought in the index, but looked
    /// for in what that one finds.
    private mutating func addMatch(_ patterns: [String], _ kind: String?) {
        add("AND kind = ?", ifAny: kind)
        let hasLonger = patterns.contains { !SearchWords.isShort($0) }
        for pattern in patterns {
            add(hasLonger && SearchWords.isShort(pattern) ? "AND search || '' LIKE ?" : "AND search LIKE ?", pattern)
        }
    }
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
