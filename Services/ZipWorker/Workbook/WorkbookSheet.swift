import CXLSXWriter
import Foundation
import Models

/// One sheet of the workbook: its columns, and what stands in each for a row.
struct SheetLayout<Row> {
    struct Column {
        let heading: String
        /// In letters of the default font.
        let width: Double
        let cell: (Row) -> Cell
    }

    /// Further sheets of the same layout are numbered.
    let name: String
    /// From left to right. The first stays in view when people scroll.
    private(set) var columns: [Column] = []

    private mutating func add(_ heading: String, width: Double, cell: @escaping (Row) -> Cell) {
        columns.append(Column(heading: heading, width: width, cell: cell))
    }
}

/// An item, how many files of it the part has, and where the others are.
typealias ItemRow = (item: Item, mediaFiles: Int, note: String?)

extension SheetLayout<ItemRow> {
    /// One row an item. `attributes` have a column each; `leftOut` more have none. Notes have a column if there are any.
    static func items(
        attributes: some Sequence<String>,
        leftOut: Int,
        hasNotes: Bool,
        in language: Export.Language
    ) -> Self {
        var sheet = Self(name: language.text(en: "Items", es: "Elementos"))
        sheet.add(language.text(en: "Code", es: "Código"), width: 16) { .text($0.item.code) }
        sheet.add(language.text(en: "Name", es: "Nombre"), width: 32) { .text($0.item.name) }
        sheet.add(language.text(en: "Kind", es: "Tipo"), width: 18) { .text($0.item.kind) }
        for name in attributes {
            sheet.add(name, width: Double(min(max(name.count + 4, 12), 40))) { row in
                row.item.attributes[name].map { Cell($0) } ?? .empty
            }
        }
        sheet.add(language.text(en: "Files", es: "Archivos"), width: 10) { .count(Int64($0.mediaFiles)) }
        if hasNotes {
            sheet.add(language.text(en: "More files", es: "Más archivos"), width: 24) {
                $0.note.map { .text($0) } ?? .empty
            }
        }
        if leftOut > 0 {
            let note = language.text(
                en: "\(leftOut) more attributes do not fit in a sheet",
                es: "\(leftOut) atributos más no caben en una hoja"
            )
            sheet.add(note, width: 48) { _ in .empty }
        }
        return sheet
    }
}

extension SheetLayout<MediaRecord> {
    /// One row a file.
    static func media(in language: Export.Language) -> Self {
        var sheet = Self(name: language.text(en: "Media", es: "Archivos"))
        sheet.add(language.text(en: "Item", es: "Elemento"), width: 16) { $0.itemCode.map { .text($0) } ?? .empty }
        sheet.add(language.text(en: "File name", es: "Nombre del archivo"), width: 32) { .text($0.planned.filename) }
        sheet.add(language.text(en: "Form", es: "Versión"), width: 13) {
            .text(formName($0.planned.form, in: language))
        }
        sheet.add(language.text(en: "Kind", es: "Tipo"), width: 12) { .text(kindName($0.planned.kind, in: language)) }
        sheet.add(language.text(en: "Content type", es: "Tipo de contenido"), width: 20) {
            .text($0.planned.contentType)
        }
        sheet.add("Bytes", width: 14) { .count($0.bytes) }
        sheet.add("SHA-256", width: 24) { $0.sha256.map { .text($0.description) } ?? .empty }
        sheet.add(language.text(en: "Uploaded (UTC)", es: "Subido (UTC)"), width: 20) {
            .time($0.planned.source.modified)
        }
        sheet.add(language.text(en: "In this ZIP", es: "En este ZIP"), width: 48) {
            $0.entryName.map { .link($0) } ?? .empty
        }
        sheet.add(language.text(en: "Problem", es: "Problema"), width: 60) {
            $0.problem.map { .warning($0.detail(in: language)) } ?? .empty
        }
        return sheet
    }

    private static func formName(_ form: String, in language: Export.Language) -> String {
        form == "compressed" ? language.text(en: "compressed", es: "comprimido") : form
    }

    private static func kindName(_ kind: Asset.Kind, in language: Export.Language) -> String {
        switch kind {
        case .image: language.text(en: "image", es: "imagen")
        case .video: "video"
        case .document: language.text(en: "document", es: "documento")
        }
    }
}

/// What stands in one cell.
enum Cell: Hashable {
    case empty
    /// Never a formula.
    case text(String)
    case number(Double)
    /// A whole number people read in groups of three digits.
    case count(Int64)
    case boolean(Bool)
    /// Shown in UTC to the second.
    case time(Date)
    /// The name of an entry, relative to the folder of the workbook; a click opens it.
    case link(String)
    /// A text that calls for attention.
    case warning(String)

    /// An attribute. Excel counts with 53 bits, so whole numbers beyond them are written as text.
    init(_ value: JSONValue) {
        switch value {
        case .null: self = .empty
        case .bool(let value): self = .boolean(value)
        case .integer(let value) where value.magnitude <= 1 << 53: self = .number(Double(value))
        case .integer(let value): self = .text("\(value)")
        case .number(let value) where value.isFinite: self = .number(value)
        case .number(let value): self = .text("\(value)")
        case .string(let value): self = value.isEmpty ? .empty : .text(value)
        case .array, .object: self = .text(Self.json(value))
        }
    }

    private static func json(_ value: JSONValue) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf",
            negativeInfinity: "-inf",
            nan: "nan"
        )
        guard let bytes = try? encoder.encode(value) else { return "\(value)" }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Export.Language {
    /// The one of two texts, or of two of anything, that is in this language.
    func text<Text>(en english: Text, es spanish: Text) -> Text {
        switch self {
        case .en: english
        case .es: spanish
        }
    }
}

/// Writes rows to a sheet, from top to bottom, and goes on in another sheet when one is full.
struct SheetWriter<Row> {
    private let file: WorkbookFile
    private let layout: SheetLayout<Row>
    private let limits: WorkbookLimits
    private let cutNote: String
    private var sheet: UnsafeMutablePointer<lxw_worksheet>
    private var sheetNumber = 1
    private var row: UInt32 = 0
    private var links = 0

    /// Makes the first sheet, with its headings.
    init(
        _ layout: SheetLayout<Row>,
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

    /// Writes one row. After an error no row can follow.
    mutating func add(_ record: Row) throws(WorkbookError) {
        if row == limits.rows { try beginNextSheet() }
        for (index, column) in layout.columns.enumerated() { try write(column.cell(record), to: UInt16(index)) }
        row += 1
        // The library writes a row when the next one begins, and does not look whether that went well.
        guard let rows = sheet.pointee.optimize_tmpfile, ferror(rows) == 0 else { throw .system() }
    }

    /// Does what needs the number of rows.
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
        worksheet_freeze_panes(sheet, 1, 1)
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
        guard links < limits.links, let target = linkTarget(for: entry, limit: limits.linkBytes) else {
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

/// A text as a cell can hold it.
enum CellText {
    /// The same text for people, if it fits; cut with a note at its end if it does not.
    ///
    /// Characters XML 1.0 forbids are dropped (one of them and Excel calls the file damaged), line breaks become those
    /// of Excel, and a text that looks like Excel's `_x0041_` for “A” is escaped so that it stays as it is.
    /// `limit` is in units of UTF-16, which is what Excel counts.
    static func fitted(_ text: String, limit: Int, note: String) -> String {
        guard text.utf8.count > limit || mayNeedEscape(text) else { return text }
        let room = limit - note.utf16.count
        var fitted = ""
        var length = 0
        var end = fitted.utf8.count
        var scalars = text.unicodeScalars[...]
        while let scalar = scalars.popFirst() {
            let piece = escaped(scalar, before: scalars)
            length += piece.utf16.count
            guard length <= limit else { return String(decoding: fitted.utf8.prefix(end), as: UTF8.self) + note }
            fitted.unicodeScalars.append(contentsOf: piece.unicodeScalars)
            if length <= room { end = fitted.utf8.count }
        }
        return fitted
    }

    /// A quick look, wrong only on the safe side: control characters, `_x`, or what U+FFFE and U+FFFF begin with.
    private static func mayNeedEscape(_ text: String) -> Bool {
        var last: UInt8 = 0
        for byte in text.utf8 {
            guard byte >= 0x20, byte != 0xEF, last != UInt8(ascii: "_") || byte | 0x20 != UInt8(ascii: "x") else {
                return true
            }
            last = byte
        }
        return false
    }

    private static func escaped(_ scalar: Unicode.Scalar, before rest: Substring.UnicodeScalarView) -> String {
        switch scalar {
        case "\r": rest.first == "\n" ? "" : "\n"
        case "\t", "\n": String(scalar)
        case "\u{0}"..<" ", "\u{FFFE}", "\u{FFFF}": ""
        case "_" where isEscape(rest): "_x005F_"
        default: String(scalar)
        }
    }

    /// ECMA-376, 22.4.2.4: `_xHHHH_` is the character of that number.
    private static func isEscape(_ rest: Substring.UnicodeScalarView) -> Bool {
        let candidate = Array(rest.prefix(6))
        guard candidate.count == 6, candidate[0] == "x" || candidate[0] == "X", candidate[5] == "_" else {
            return false
        }
        return candidate[1...4].allSatisfy(\.properties.isASCIIHexDigit)
    }
}

/// The characters beside letters and digits that Excel itself leaves as they are in the path of a link. A `%`, `#` or
/// `?` in a name has to be escaped to stay one, and `:` would begin a scheme.
private let plainInLinks = Array("-._~/!$&'()*+,;=@".utf8)

/// The way from the workbook to an entry, once both are extracted: a relative reference (RFC 3986, 4.2). Letters beyond
/// ASCII stay: Windows reads their escapes as another character set's. Nil if it is longer than `limit` bytes.
private func linkTarget(for entry: String, limit: Int) -> String? {
    var target: [UInt8] = []
    for byte in entry.utf8 {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), 0x80...:
            target.append(byte)
        case _ where plainInLinks.contains(byte): target.append(byte)
        default:
            target.append(contentsOf: "%\(Hexadecimal.encode([byte], uppercase: true))".utf8)
        }
    }
    return target.count <= limit ? String(decoding: target, as: UTF8.self) : nil
}
