import Database
import Foundation
import Models
import Repositories

/// What a worker needs to build a part.
struct ExportPartSource: Sendable {
    let id: ExportPartID
    /// The export it belongs to.
    let export: ExportID
    let company: CompanyID
    /// What was chosen.
    let options: Export.Options
    /// Counts from 1.
    let number: Int
    /// How many parts the export has.
    let parts: Int
    /// Its items, in the order they stand in the archive.
    let items: [ItemID]
    /// When the export was asked for: what was uploaded later is not in it.
    let requestedAt: Date
}

/// What workers read and write of the parts of exports.
struct ExportPartRepository: Sendable {
    /// As the statement that fetches says it.
    private static let pageLength = 500

    private let database: Database

    init(_ database: Database) {
        self.database = database
    }

    /// What a worker needs to build a part; nil if its export was deleted meanwhile.
    func source(_ id: ExportPartID) async throws(DatabaseError) -> ExportPartSource? {
        try await database.first(Self.source(id))
    }

    /// The items of a part, in their order. One that was deleted meanwhile is left out.
    func items(of part: ExportPartSource) async throws(DatabaseError) -> [Item] {
        try await database.run(Self.items(part.items, part.company))
    }

    /// Hands over the assets of a part, some hundred at a time: item by item in the part's order, each item's oldest
    /// first, and the company's own documents last if they were chosen.
    func eachAsset(
        of part: ExportPartSource,
        _ body: ([Asset]) async throws -> Void
    ) async throws {
        try await database.withTransaction { connection in
            _ = try await connection.run(
                Self.openAssets(part.company, part.items, part.options.procedures, part.requestedAt)
            )
            while case let page = try await connection.run(Self.nextAssets()), !page.isEmpty {
                try await body(page)
                if page.count < Self.pageLength { break }
            }
        }
    }

    /// Records a part's archive, within the transaction that completes its job.
    static func built(_ archive: ExportPart.Archive, of part: ExportPartID) -> any AnyStatement {
        recordArchive(part, JSON(archive))
    }

    private static let source = Query<ExportPartSource>(
        """
        SELECT p.id, p.export_id, e.company_id, e.media, e.procedures, e.language, p.number, p.items, e.created_at,
               (SELECT count(*) FROM export_parts o WHERE o.export_id = e.id) AS parts
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
    private static let openAssets = Query<NoRow>(
        """
        DECLARE part_assets CURSOR FOR
        SELECT * FROM asset_details
         WHERE company_id = $1 AND created_at <= $4
           AND (item_id = ANY ($2::uuid[]) OR ($3::boolean AND item_id IS NULL AND kind = 'document'))
         ORDER BY array_position($2::uuid[], item_id) NULLS LAST, id
        """
    )
    private static let nextAssets = Query<Asset>("FETCH 500 FROM part_assets")
    private static let recordArchive = Query<NoRow>("UPDATE export_parts SET archive = $2 WHERE id = $1")
}

extension ExportPartSource: RowDecodable {
    init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        export = try row["export_id"]
        company = try row["company_id"]
        options = try Export.Options(from: row)
        number = try row["number"]
        parts = try row["parts"]
        items = try row["items"]
        requestedAt = try row["created_at"]
    }
}
