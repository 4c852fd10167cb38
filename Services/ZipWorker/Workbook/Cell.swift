import Foundation
import Models

/// What stands in one cell.
enum Cell: Hashable {
    /// Nothing.
    case empty
    /// A text, never a formula.
    case text(String)
    /// A number.
    case number(Double)
    /// A whole number people read in groups of three digits.
    case count(Int64)
    /// `TRUE` or `FALSE`.
    case boolean(Bool)
    /// A time, shown in UTC to the second.
    case time(Date)
    /// The name of an entry in the same folder as the workbook, which a click opens.
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
