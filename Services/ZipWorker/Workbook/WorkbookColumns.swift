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

/// An item, and how many files of it the part has.
typealias ItemRow = (item: Item, mediaFiles: Int)

extension SheetLayout<ItemRow> {
    /// One row an item. `attributes` have a column each; `leftOut` more have none.
    static func items(attributes: some Sequence<String>, leftOut: Int, in language: Export.Language) -> Self {
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
