public import Database
import Foundation
public import Models
import Repositories

/// What a worker needs to build a part.
struct ExportPartSource: Sendable, RowDecodable {
    let id: ExportPartID
    let export: ExportID
    let company: CompanyID
    let options: Export.Options
    /// Counts from 1.
    let number: Int
    /// How many parts the export has.
    let parts: Int
    /// In the order they stand in the archive.
    let items: [ItemID]
    /// Of the first item, the last asset that is in the part before.
    let afterAsset: AssetID?
    /// Of the last item, the last asset that is in this part; nil if all are.
    let throughAsset: AssetID?
    /// Whether company documents go in.
    let hasProcedures: Bool
    /// The last of the company's documents that is in the part before.
    let afterProcedure: AssetID?
    /// The last of the company's documents that is in this part; nil if all are.
    let throughProcedure: AssetID?
    /// What was uploaded later is not in the export.
    let requestedAt: Date

    init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        export = try row["export_id"]
        company = try row["company_id"]
        options = try Export.Options(from: row)
        number = try row["number"]
        parts = try row["parts"]
        items = try row["items"]
        afterAsset = try row["after_asset"]
        throughAsset = try row["through_asset"]
        hasProcedures = try row["has_procedures"]
        afterProcedure = try row["after_procedure"]
        throughProcedure = try row["through_procedure"]
        requestedAt = try row["created_at"]
    }

    /// Whether the first files of an item are in the part before.
    func begins(inside item: ItemID) -> Bool { afterAsset != nil && item == items.first }

    /// Whether the last files of an item are in the next part.
    func ends(inside item: ItemID) -> Bool { throughAsset != nil && item == items.last }

    /// Whether an item has files in another part too.
    var cutsItems: Bool { afterAsset != nil || throughAsset != nil }

    var procedureFolder: EntryFolder {
        afterProcedure == nil ? .procedures : .procedures(continuedIn: number, in: options.language)
    }
}

/// What workers read and write of the parts of exports.
struct ExportPartRepository: Sendable {
    private let database: Database

    init(_ database: Database) {
        self.database = database
    }

    /// What a worker needs to build a part; nil if its export was deleted meanwhile.
    func source(_ id: ExportPartID) async throws(DatabaseError) -> ExportPartSource? {
        try await database.first(Self.source(id))
    }

    /// The items of a part, in their order. One that was deleted meanwhile is left out.
    func items(of part: ExportPartSource) -> ItemPages {
        ItemPages(database: database, company: part.company, left: part.items[...])
    }

    /// Pages of a hundred: an item may have many attributes.
    struct ItemPages {
        private static let length = 100

        fileprivate let database: Database
        fileprivate let company: CompanyID
        fileprivate var left: ArraySlice<ItemID>

        /// Nil behind the last.
        mutating func next() async throws(DatabaseError) -> [Item]? {
            guard !left.isEmpty else { return nil }
            let page = Array(left.prefix(Self.length))
            left = left.dropFirst(Self.length)
            return try await database.run(ExportPartRepository.items(page, company))
        }
    }

    /// The assets of a part: item by item in the part's order, each item's oldest first, and the company's own documents
    /// last if they were chosen.
    func assets(of part: ExportPartSource) -> AssetPages {
        AssetPages(database: database, part: part)
    }

    /// Pages of some hundred. No transaction lasts from one to the next: minutes lie between them while a part is written.
    struct AssetPages {
        /// As the statements say it.
        private static let length = 500
        private static let first = AssetID(rawValue: UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)))
        private static let last = AssetID(
            rawValue: UUID(uuid: (255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255))
        )

        private let database: Database
        private let part: ExportPartSource
        /// From the item the next page begins with.
        private var items: ArraySlice<ItemID>
        private var afterAsset: AssetID
        /// Nil if there are none, or no more.
        private var afterProcedure: AssetID?

        fileprivate init(database: Database, part: ExportPartSource) {
            self.database = database
            self.part = part
            items = part.items[...]
            afterAsset = part.afterAsset ?? Self.first
            afterProcedure = part.hasProcedures ? part.afterProcedure ?? Self.first : nil
        }

        /// Nil behind the last.
        mutating func next() async throws(DatabaseError) -> [Asset]? {
            if !items.isEmpty {
                let through = part.throughAsset ?? Self.last
                let page = try await database.run(
                    ExportPartRepository.assets(part.company, Array(items), part.requestedAt, afterAsset, through)
                )
                if page.count == Self.length, let last = page.last,
                    let item = items.firstIndex(where: { $0 == last.item })
                {
                    items = items[item...]
                    afterAsset = last.id
                } else {
                    items = []
                }
                if !page.isEmpty { return page }
            }
            guard let after = afterProcedure else { return nil }
            let through = part.throughProcedure ?? Self.last
            let page = try await database.run(
                ExportPartRepository.procedures(part.company, after, through, part.requestedAt)
            )
            afterProcedure = page.count == Self.length ? page.last?.id : nil
            return page.isEmpty ? nil : page
        }
    }

    /// Records a part's archive, within the transaction that completes its job.
    static func built(_ archive: ExportPart.Archive, of part: ExportPartID) -> any AnyStatement {
        recordArchive(part, JSON(archive))
    }

    private static let source = Query<ExportPartSource>(
        """
        SELECT p.id, p.export_id, e.company_id, e.media, e.procedures, e.language, p.number, p.items, e.created_at,
               p.after_asset, p.through_asset, e.procedures AND p.procedures AS has_procedures, p.after_procedure,
               p.through_procedure, (SELECT count(*) FROM export_parts o WHERE o.export_id = e.id) AS parts
          FROM export_parts p JOIN exports e ON e.id = p.export_id
         WHERE p.id = $1 AND e.deleted_at IS NULL
        """
    )
    private static let items = Query<Item>(
        """
        SELECT i.id, i.code, i.name, i.kind, i.attributes, i.created_at, i.updated_at
          FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, position) JOIN items i ON i.id = wanted.id
         WHERE i.company_id = $2 AND i.deleted_at IS NULL
         ORDER BY wanted.position
        """
    )
    /// Behind asset `$4` of the first of the items and up to `$5` of the last; each item is a search in the index.
    private static let assets = Query<Asset>(
        """
        SELECT d.* FROM (
            SELECT w.position, a.id
              FROM unnest($2::uuid[]) WITH ORDINALITY AS w (item, position)
              JOIN assets a ON a.item_id = w.item
                   AND a.id > CASE WHEN w.position = 1 THEN $4::uuid
                                   ELSE '00000000-0000-0000-0000-000000000000'::uuid END
                   AND a.id <= CASE WHEN w.position = cardinality($2::uuid[]) THEN $5::uuid
                                    ELSE 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid END
             WHERE a.company_id = $1 AND a.deleted_at IS NULL AND a.created_at <= $3
             ORDER BY w.position, a.id LIMIT 500) page
          JOIN asset_details d ON d.id = page.id
         ORDER BY page.position, d.id
        """
    )
    private static let procedures = Query<Asset>(
        """
        SELECT * FROM asset_details
         WHERE company_id = $1 AND item_id IS NULL AND kind = 'document' AND id > $2 AND id <= $3 AND created_at <= $4
         ORDER BY id LIMIT 500
        """
    )
    private static let recordArchive = Query<NoRow>("UPDATE export_parts SET archive = $2 WHERE id = $1")
}

extension Item: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        let attributes: JSON<[String: JSONValue]> = try row["attributes"]
        self.init(
            id: try row["id"],
            code: try row["code"],
            name: try row["name"],
            kind: try row["kind"],
            attributes: attributes.value,
            createdAt: try row["created_at"],
            updatedAt: try row["updated_at"]
        )
    }
}
