import Blocking
import Database
import Foundation
import Models
import Repositories
import Storage

/// What goes into one part, before a byte of it is read.
struct PartPlan: Sendable {
    /// An item and where its files lie.
    struct PlannedItem: Sendable {
        let item: Item
        let folder: EntryFolder
    }

    /// A file that is to become an entry.
    struct PlannedFile: Sendable {
        let asset: AssetID
        /// Which of the part's items it belongs to; nil for a procedure.
        let item: Int?
        /// As uploaded.
        let filename: String
        let kind: Asset.Kind
        let contentType: String
        /// `original`, or the name of a rendition.
        let form: String
        let volume: String
        /// Its time is that of the upload.
        let source: ArchiveFile
    }

    let part: ExportPartSource
    var items: [PlannedItem] = []
    /// By item, then by asset; procedures last.
    var files: [PlannedFile] = []
    /// The newest thing in it. It stands for the time of what the worker adds itself, so that the same data gives the
    /// same bytes whenever it is built.
    var newest = Date(timeIntervalSince1970: 0)

    /// Bytes of its files, by volume.
    var bytesByVolume: [String: Int64] {
        files.reduce(into: [:]) { $0[$1.volume, default: 0] += $1.source.bytes ?? 0 }
    }

    /// At most what the archive has beside its files: headers, padding to whole blocks, workbook and manifest.
    var overhead: Int64 { Int64(files.count) * (2 * 4096 + 1024) + Int64(items.count) * 16_384 + (1 << 20) }
}

/// Finds out what goes into a part, and gives every entry its name.
struct PartPlanner: Sendable {
    let parts: ExportPartRepository
    let storage: LocalStorage
    let threads: BlockingThreads

    /// Reads the rows of a part, a page at a time, and looks where the files lie.
    func plan(_ part: ExportPartSource) async throws -> PartPlan {
        var names = EntryNames()
        var plan = PartPlan(part: part)
        for item in try await parts.items(of: part) {
            plan.items.append(PartPlan.PlannedItem(item: item, folder: names.folder(for: item)))
            plan.newest = max(plan.newest, item.updatedAt)
        }
        let positions = Dictionary(plan.items.enumerated().map { ($1.item.id, $0) }) { first, _ in first }
        try await parts.eachAsset(of: part) { page in
            for (asset, paths) in zip(page, try await locate(page, for: part)) {
                let position = asset.item.flatMap { positions[$0] }
                // An item that was deleted between the two looks.
                if asset.item != nil, position == nil { continue }
                plan.newest = max(plan.newest, asset.createdAt)
                let folder = position.map { plan.items[$0].folder } ?? .procedures
                for (rendition, path) in zip(asset.forms(for: part.options.media), paths) {
                    let filename = rendition?.filename(beside: asset.filename) ?? asset.filename
                    let name = names.file(filename, in: folder)
                    plan.files.append(.init(asset, rendition, of: position, named: name, at: path))
                }
            }
        }
        return plan
    }

    /// Asks the disk, which may take its time, for the paths of each asset's forms.
    private func locate(_ assets: [Asset], for part: ExportPartSource) async throws(StorageError) -> [[String]] {
        try await threads.run { () throws(StorageError) in
            var located: [[String]] = []
            for asset in assets {
                var paths: [String] = []
                for rendition in asset.forms(for: part.options.media) {
                    paths.append(try path(of: asset, rendition, part.company))
                }
                located.append(paths)
            }
            return located
        }
    }

    /// Empty for a file that has gone: no file has that path, so the archive reports it like one that goes while it is
    /// written.
    private func path(
        of asset: Asset,
        _ rendition: Rendition?,
        _ company: CompanyID
    ) throws(StorageError) -> String {
        do throws(StorageError) {
            guard let rendition else { return try storage.originalPath(asset.original, of: company) }
            return try storage.path(volume: rendition.volume, relative: rendition.path)
        } catch {
            guard error.kind == .missing else { throw error }
            return ""
        }
    }
}

extension Asset {
    /// The files of it that an export takes; nil is the original. Nothing is left out: where there is no rendition, the
    /// original stands in.
    fileprivate func forms(for media: Export.Media) -> [Rendition?] {
        let rendition =
            switch kind {
            case .image: renditions.first { $0.name == "compressed" }
            case .video: renditions.first { $0.name == "720p" }
            case .document: Rendition?.none
            }
        return switch media {
        case .originals: [nil]
        // What could not be made smaller is delivered as it came.
        case .compressed: [rendition.flatMap { $0.bytes <= original.bytes ? $0 : nil }]
        case .both: rendition == nil ? [nil] : [nil, rendition]
        }
    }
}

extension PartPlan.PlannedFile {
    fileprivate init(_ asset: Asset, _ rendition: Rendition?, of item: Int?, named name: String, at path: String) {
        let original = asset.original
        self.init(
            asset: asset.id,
            item: item,
            filename: asset.filename,
            kind: asset.kind,
            contentType: rendition?.contentType ?? asset.contentType,
            form: rendition?.name ?? "original",
            volume: rendition?.volume ?? original.volume,
            source: ArchiveFile(
                name: name,
                modified: asset.createdAt,
                path: path,
                bytes: rendition?.bytes ?? original.bytes,
                crc32: rendition == nil ? original.crc32 : nil,
                sha256: rendition == nil ? original.sha256 : nil,
                mayDeflate: asset.kind == .document
            )
        )
    }
}

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
        requestedAt = try row["created_at"]
    }
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
