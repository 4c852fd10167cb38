import Foundation
import Models

/// Writes `items.xlsx`: one sheet with a row for each item, one with a row for each file.
///
/// Rows go to the disk as they come, so memory does not grow with them; only links cost some, 2.4 KB each, and a sheet
/// has 10 000 at most. The same rows in the same order give the same bytes.
///
/// It blocks, and is not `Sendable`: it lives on one of `BlockingThreads`' threads, or in an actor with a
/// `BlockingThread` of its own. After an error it is of no use. Whoever lets go of it before it is finished leaves
/// nothing behind.
final class WorkbookWriter {
    private let file: WorkbookFile
    private let attributes: [String]
    private let language: Export.Language
    private var items: SheetWriter
    private var media: SheetWriter
    private var isFinished = false

    /// Begins a workbook.
    ///
    /// - Parameters:
    ///   - path: Of the workbook. What is there is overwritten.
    ///   - temporaryDirectory: Has room for the rows uncompressed, about a kilobyte a file, twice.
    ///   - language: Of the sheets and headings.
    ///   - created: When the workbook says it was made; the clock is not asked.
    ///   - attributeNames: The columns of the items' sheet, as `attributeNames(of:)` gives them. Those beyond Excel's
    ///     16 384 columns are left out, and a heading says so.
    ///   - limits: Excel's.
    /// - Throws: `WorkbookError`.
    init(
        path: String,
        temporaryDirectory: String,
        language: Export.Language,
        created: Date,
        attributeNames: [String],
        limits: WorkbookLimits = WorkbookLimits()
    ) throws(WorkbookError) {
        file = try WorkbookFile(
            path: path,
            temporaryDirectory: temporaryDirectory,
            language: language,
            created: created
        )
        let room = limits.columns - SheetLayout.items(attributes: [], leftOut: 0, in: language).columns.count
        // The heading that says so takes a column too.
        attributes = Array(attributeNames.prefix(attributeNames.count > room ? room - 1 : room))
        let leftOut = attributeNames.count - attributes.count
        self.language = language
        items = try SheetWriter(
            .items(attributes: attributes, leftOut: leftOut, in: language),
            in: file,
            limits: limits,
            language: language
        )
        media = try SheetWriter(.media(in: language), in: file, limits: limits, language: language)
    }

    /// The names of all attributes of some items, each once, in alphabetical order.
    static func attributeNames(of items: some Sequence<Item>) -> [String] {
        items.reduce(into: Set()) { $0.formUnion($1.attributes.keys) }.sorted()
    }

    /// Writes the row of one item.
    ///
    /// - Parameters:
    ///   - item: Attributes that have no column are left out.
    ///   - mediaFiles: How many files of it the part has.
    /// - Throws: `WorkbookError`.
    func add(_ item: Item, mediaFiles: Int) throws(WorkbookError) {
        try requireUnfinished()
        let values = attributes.map { item.attributes[$0].map { Cell($0) } ?? .empty }
        try items.add([.text(item.code), .text(item.name), .text(item.kind)] + values + [.count(Int64(mediaFiles))])
    }

    /// Writes the row of one file. Rows of both sheets may alternate.
    ///
    /// - Throws: `WorkbookError`.
    func add(_ row: MediaRow) throws(WorkbookError) {
        try requireUnfinished()
        try media.add(row.cells(in: language))
    }

    /// Puts the workbook together at its path and reads it once, since the library does not tell when the disk was full.
    /// It is the last call. The file is not synced.
    ///
    /// - Throws: `WorkbookError`.
    func finish() throws(WorkbookError) {
        try requireUnfinished()
        isFinished = true
        try items.finish()
        try media.finish()
        try file.finish()
    }

    /// The sheets are gone with the end of the workbook, and nothing may write to them.
    private func requireUnfinished() throws(WorkbookError) {
        guard !isFinished else { throw .invalid("the workbook is finished") }
    }
}
