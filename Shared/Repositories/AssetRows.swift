public import Database
public import Models

/// What a worker needs to process an asset.
public struct AssetSource: Sendable {
    /// The asset.
    public let id: AssetID
    /// Whose it is.
    public let company: CompanyID
    /// What it is.
    public let kind: Asset.Kind
    /// Its original.
    public let original: StoredFile
}

extension AssetSource: RowDecodable {
    /// Reads the columns a worker needs.
    public init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        company = try row["company_id"]
        kind = try row["kind"]
        original = try StoredFile(from: row)
    }
}

extension StoredFile: RowDecodable {
    /// Reads `volume`, `sha256`, `crc32` and `bytes`.
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
    /// Reads a row of the view `asset_details`.
    public init(from row: borrowing Row) throws(DatabaseError) {
        let renditions: JSON<[Rendition]> = try row["renditions"]
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
            renditions: renditions.value
        )
    }
}

extension Asset.Kind: DatabaseValue {}
extension Asset.Status: DatabaseValue {}
