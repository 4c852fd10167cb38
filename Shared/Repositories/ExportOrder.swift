public import Database
public import Models

/// What somebody asks to be exported, and how far the answer may go.
public struct ExportOrder: Sendable {
    /// Which items.
    public enum Selection: Sendable {
        /// Every item of the company.
        case all
        /// These.
        case items([ItemID])
        /// Those a list with the same filter would show.
        case filter(text: String?, kind: String?)
    }

    /// Which items.
    public var selection: Selection
    /// What goes into the archives.
    public var options: Export.Options
    /// Items of one part.
    public var itemsPerPart: Int
    /// Items of one export.
    public var maximumItems: Int
    /// Exports of a company that are not finished yet.
    public var maximumUnfinished: Int
    /// How long its archives live.
    public var life: Duration

    /// Makes the value; nothing is stored.
    public init(
        selection: Selection,
        options: Export.Options,
        itemsPerPart: Int,
        maximumItems: Int,
        maximumUnfinished: Int,
        life: Duration
    ) {
        self.selection = selection
        self.options = options
        self.itemsPerPart = itemsPerPart
        self.maximumItems = maximumItems
        self.maximumUnfinished = maximumUnfinished
        self.life = life
    }
}

/// What came of a request for an export.
public enum ExportAnswer: Sendable {
    /// It is recorded; its parts' jobs are to be announced.
    case added(Export, jobs: [JobID])
    /// The same was asked for before, and is not finished, or is there still.
    case existing(Export)
    /// No item meets the selection.
    case noItems
    /// The selection is larger than the order admits.
    case tooManyItems
    /// These of the items asked for (the first ten of them) are not there.
    case unknownItems([ItemID])
    /// The company waits for as many exports as it may.
    case tooManyUnfinished
}

struct RequestOutcome: RowDecodable {
    let items: Int
    let unfinished: Int
    let same: ExportID?
    let isAdded: Bool
    let jobs: [JobID]

    init(from row: borrowing Row) throws(DatabaseError) {
        items = try row["items"]
        unfinished = try row["unfinished"]
        same = try row["same"]
        isAdded = try row["added"]
        jobs = try row["jobs"]
    }
}

struct ItemKey: RowDecodable {
    let id: ItemID

    init(from row: borrowing Row) throws(DatabaseError) { id = try row["id"] }
}

extension Export: RowDecodable {
    /// Reads a row of the view `export_details`.
    public init(from row: borrowing Row) throws(DatabaseError) {
        let parts: JSON<[ExportPart]> = try row["parts"]
        self.init(
            id: try row["id"],
            company: try row["company_id"],
            options: try Options(from: row),
            status: try row["status"],
            parts: parts.value,
            positionInQueue: try row["position_in_queue"],
            createdAt: try row["created_at"],
            finishedAt: try row["finished_at"],
            expiresAt: try row["expires_at"]
        )
    }
}

extension Export.Options: RowDecodable {
    /// Reads `media`, `procedures` and `language`.
    public init(from row: borrowing Row) throws(DatabaseError) {
        self.init(media: try row["media"], procedures: try row["procedures"], language: try row["language"])
    }
}

extension Export.Media: DatabaseValue {}
extension Export.Language: DatabaseValue {}
extension Export.Status: DatabaseValue {}
