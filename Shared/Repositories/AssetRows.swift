public import Database
import Foundation
import Jobs
public import Models

struct InsertedAsset: RowDecodable {
    let id: AssetID
    let createdAt: Date

    init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        createdAt = try row["created_at"]
    }
}

extension Asset {
    /// As `asset_details` shows it before anything has happened to it.
    init(_ new: NewAsset, on item: ItemID?, createdAt: Date) {
        let isReady = new.job == nil
        self.init(
            id: new.id,
            item: item,
            kind: new.kind,
            filename: new.filename,
            contentType: new.contentType,
            original: new.file,
            status: isReady ? .ready : .queued,
            error: nil,
            progress: isReady ? 1 : 0,
            width: nil,
            height: nil,
            durationSeconds: nil,
            createdAt: createdAt,
            processedAt: isReady ? createdAt : nil,
            renditions: []
        )
    }
}

public struct AssetSource: Sendable {
    public let id: AssetID
    public let company: CompanyID
    public let kind: Asset.Kind
    public let original: StoredFile
}

extension AssetSource: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        company = try row["company_id"]
        kind = try row["kind"]
        original = try StoredFile(from: row)
    }
}

extension StoredFile: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        self.init(
            volume: try row["volume"],
            sha256: try row["sha256"],
            crc32: try row["crc32"],
            bytes: try row["bytes"]
        )
    }
}

extension Asset: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        let texts: [String?] = try row["renditions"]
        self.init(
            id: try row["id"],
            item: try row["item_id"],
            kind: try row["kind"],
            filename: try row["filename"],
            contentType: try row["content_type"],
            original: try StoredFile(from: row),
            status: try row["status"],
            error: try row["error"],
            progress: try row["progress"],
            width: try row["width"],
            height: try row["height"],
            durationSeconds: try row["duration_seconds"],
            createdAt: try row["created_at"],
            processedAt: try row["processed_at"],
            renditions: try Rendition.read(texts)
        )
    }
}

extension Rendition {
    /// Reads what `asset_details` shows of all renditions of an asset: seven texts each.
    fileprivate static func read(_ texts: [String?]) throws(DatabaseError) -> [Rendition] {
        var renditions: [Rendition] = []
        for start in stride(from: 0, to: texts.count, by: 7) {
            guard start + 7 <= texts.count, let name = texts[start], let contentType = texts[start + 1],
                let bytes = Int64(databaseText: texts[start + 2]), let width = Int?(databaseText: texts[start + 3]),
                let height = Int?(databaseText: texts[start + 4]), let volume = texts[start + 5],
                let path = texts[start + 6]
            else { throw .undecodable("renditions are not seven texts each") }
            renditions.append(
                Rendition(
                    name: name,
                    contentType: contentType,
                    bytes: bytes,
                    width: width,
                    height: height,
                    volume: volume,
                    path: path
                )
            )
        }
        return renditions
    }
}

extension Asset.Kind: DatabaseValue {}
extension Asset.Status: DatabaseValue {}
