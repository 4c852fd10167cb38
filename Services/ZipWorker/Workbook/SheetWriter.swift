import CXLSXWriter
import Foundation
import Models

/// Writes rows to a sheet, from top to bottom, and goes on in another sheet when one is full.
struct SheetWriter {
    private let file: WorkbookFile
    private let layout: SheetLayout
    private let limits: WorkbookLimits
    private let cutNote: String
    private var sheet: UnsafeMutablePointer<lxw_worksheet>
    private var sheetNumber = 1
    private var row: UInt32 = 0
    private var links = 0

    /// Makes the first sheet, with its headings.
    init(
        _ layout: SheetLayout,
        in file: WorkbookFile,
        limits: WorkbookLimits,
        language: Export.Language
    ) throws(WorkbookError) {
        self.file = file
        self.layout = layout
        self.limits = limits
        cutNote = language.text(en: " … [cut: too long for a cell]", es: " … [cortado: no cabe en una celda]")
        sheet = try file.addSheet(layout.name)
        try writeHeadings()
    }

    /// Writes one row.
    ///
    /// - Parameter cells: One for each column, from the first; one of them at least is not empty.
    /// - Throws: `WorkbookError`; no row can follow.
    mutating func add(_ cells: [Cell]) throws(WorkbookError) {
        if row == limits.rows { try beginNextSheet() }
        for (column, cell) in cells.enumerated() { try write(cell, to: UInt16(column)) }
        row += 1
        // The library writes a row when the next one begins, and does not look whether that went well.
        guard let rows = sheet.pointee.optimize_tmpfile, ferror(rows) == 0 else { throw .system() }
    }

    /// Does what needs the number of rows.
    ///
    /// - Throws: `WorkbookError`.
    func finish() throws(WorkbookError) {
        try check(worksheet_autofilter(sheet, 0, 0, row - 1, UInt16(layout.columns.count - 1)))
    }

    private mutating func beginNextSheet() throws(WorkbookError) {
        try finish()
        sheetNumber += 1
        sheet = try file.addSheet("\(layout.name) \(sheetNumber)")
        row = 0
        links = 0
        try writeHeadings()
    }

    private mutating func writeHeadings() throws(WorkbookError) {
        worksheet_freeze_panes(sheet, 1, layout.frozenColumns)
        for (index, column) in layout.columns.enumerated() {
            try check(worksheet_set_column(sheet, UInt16(index), UInt16(index), column.width, nil))
            try write(column.heading, to: UInt16(index), file.formats.heading)
        }
        row = 1
    }

    private mutating func write(_ cell: Cell, to column: UInt16) throws(WorkbookError) {
        switch cell {
        case .empty: return
        case .text(let text): try write(text, to: column, nil)
        case .warning(let text): try write(text, to: column, file.formats.warning)
        case .link(let entry): try writeLink(to: entry, in: column)
        case .number(let value): try check(worksheet_write_number(sheet, row, column, value, nil))
        case .count(let value):
            try check(worksheet_write_number(sheet, row, column, Double(value), file.formats.count))
        case .boolean(let value):
            try check(worksheet_write_boolean(sheet, row, column, value ? 1 : 0, file.formats.boolean))
        case .time(let time):
            let seconds = Int64(exactly: time.timeIntervalSince1970.rounded(.down)) ?? 0
            try check(worksheet_write_unixtime(sheet, row, column, seconds, file.formats.time))
        }
    }

    /// The target is written as if it were a web address: of a file's path the library would make one with backslashes,
    /// which nothing but Windows takes.
    private mutating func writeLink(to entry: String, in column: UInt16) throws(WorkbookError) {
        guard links < limits.links, let target = EntryLink.target(for: entry, limit: limits.linkBytes) else {
            return try write(entry, to: column, nil)
        }
        let text = fitted(entry)
        try check(worksheet_write_url_opt(sheet, row, column, target, file.formats.link, text, nil))
        links += 1
    }

    private func write(
        _ text: String,
        to column: UInt16,
        _ format: UnsafeMutablePointer<lxw_format>?
    ) throws(WorkbookError) {
        try check(worksheet_write_string(sheet, row, column, fitted(text), format))
    }

    private func fitted(_ text: String) -> String {
        CellText.fitted(text, limit: limits.textLength, note: cutNote)
    }

    private func check(_ code: lxw_error) throws(WorkbookError) {
        if let error = WorkbookError(code) { throw error }
    }
}
