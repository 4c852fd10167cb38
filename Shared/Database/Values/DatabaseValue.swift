public import Foundation
public import Models

/// A type that can be a statement's parameter and a row's column, in Postgres' text format.
///
/// An enum of strings, or any other `RawRepresentable`, opts in with `extension Role: DatabaseValue {}`.
public protocol DatabaseValue: Sendable {
    /// The text Postgres reads as this value; nil is NULL.
    ///
    /// - Throws: `.undecodable` for a value Postgres has no form for.
    var databaseText: String? { get throws(DatabaseError) }

    /// Reads what Postgres wrote, nil being NULL; nil if that is no value of this type.
    init?(databaseText: String?)
}

extension DatabaseValue where Self: RawRepresentable, RawValue: DatabaseValue {
    public var databaseText: String? {
        get throws(DatabaseError) { try rawValue.databaseText }
    }

    public init?(databaseText: String?) {
        guard let rawValue = RawValue(databaseText: databaseText) else { return nil }
        self.init(rawValue: rawValue)
    }
}

extension DatabaseValue where Self: Numeric & LosslessStringConvertible {
    public var databaseText: String? { description }

    public init?(databaseText: String?) {
        guard let databaseText else { return nil }
        self.init(databaseText)
    }
}

extension Int: DatabaseValue {}
extension Int32: DatabaseValue {}
extension Int64: DatabaseValue {}
/// Stands in a `bigint`: Postgres has no unsigned type.
extension UInt32: DatabaseValue {}
extension Double: DatabaseValue {}

extension String: DatabaseValue {
    public var databaseText: String? { self }

    public init?(databaseText: String?) {
        guard let databaseText else { return nil }
        self = databaseText
    }
}

extension Bool: DatabaseValue {
    public var databaseText: String? { self ? "t" : "f" }

    public init?(databaseText: String?) {
        switch databaseText {
        case "t": self = true
        case "f": self = false
        default: return nil
        }
    }
}

extension UUID: DatabaseValue {
    public var databaseText: String? { uuidString }

    public init?(databaseText: String?) {
        guard let databaseText else { return nil }
        self.init(uuidString: databaseText)
    }
}

extension Identifier: DatabaseValue {}

extension SHA256Digest: DatabaseValue {
    public var databaseText: String? { description }

    public init?(databaseText: String?) {
        guard let databaseText else { return nil }
        self.init(databaseText)
    }
}

extension Optional: DatabaseValue where Wrapped: DatabaseValue {
    public var databaseText: String? {
        get throws(DatabaseError) { try self?.databaseText }
    }

    public init?(databaseText: String?) {
        guard let databaseText else {
            self = .none
            return
        }
        guard let value = Wrapped(databaseText: databaseText) else { return nil }
        self = .some(value)
    }
}

/// A `jsonb` column, or one of `json`.
public struct JSON<Value: Codable & Sendable>: Sendable {
    public var value: Value

    public init(_ value: Value) {
        self.value = value
    }
}

extension JSON: Equatable where Value: Equatable {}
extension JSON: Hashable where Value: Hashable {}

extension JSON: DatabaseValue {
    /// Dates are RFC 3339 with microseconds.
    public var databaseText: String? {
        get throws(DatabaseError) {
            let encoder = JSONEncoder()
            encoder.dateEncodingStrategy = .custom { date, encoder in
                var container = encoder.singleValueContainer()
                try container.encode(try date.databaseText)
            }
            do {
                return String(decoding: try encoder.encode(value), as: UTF8.self)
            } catch {
                // An encoding error's own description quotes the value.
                throw .undecodable("a \(Value.self) cannot be written as JSON")
            }
        }
    }

    public init?(databaseText: String?) {
        guard let databaseText else { return nil }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            guard let date = Timestamp.date(of: try container.decode(String.self)) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a date")
            }
            return date
        }
        guard let value = try? decoder.decode(Value.self, from: Data(databaseText.utf8)) else { return nil }
        self.value = value
    }
}

/// An array of one dimension, as a parameter for `= ANY ($1::uuid[])` or as an array column.
extension Array: DatabaseValue where Element: DatabaseValue {
    /// `{"one","two",NULL}`
    public var databaseText: String? {
        get throws(DatabaseError) {
            var text = "{"
            for element in self {
                if text.utf8.count > 1 { text += "," }
                guard let elementText = try element.databaseText else {
                    text += "NULL"
                    continue
                }
                text += "\""
                for character in elementText.unicodeScalars {
                    if character == "\"" || character == "\\" { text += "\\" }
                    text.unicodeScalars.append(character)
                }
                text += "\""
            }
            return text + "}"
        }
    }

    /// Reads an array of one dimension; nil for any other.
    public init?(databaseText: String?) {
        guard let databaseText else { return nil }
        var reader = ArrayReader(databaseText)
        guard let texts = reader.elements() else { return nil }
        self = []
        reserveCapacity(texts.count)
        for text in texts {
            guard let element = Element(databaseText: text) else { return nil }
            append(element)
        }
    }
}

/// Reads array output syntax (PostgreSQL, "8.15.6. Array Input and Output Syntax").
private struct ArrayReader {
    private var rest: Substring.UTF8View

    init(_ text: String) {
        rest = text.utf8[...]
    }

    /// The elements' texts, nil being NULL; nil if it is no array of one dimension.
    mutating func elements() -> [String?]? {
        guard take("{") else { return nil }
        var elements: [String?] = []
        if take("}") { return rest.isEmpty ? elements : nil }
        repeat {
            let isQuoted = take("\"")
            guard let element = isQuoted ? quoted() : bare() else { return nil }
            elements.append(element)
        } while take(",")
        return take("}") && rest.isEmpty ? elements : nil
    }

    private mutating func quoted() -> String?? {
        var bytes: [UInt8] = []
        while var byte = rest.popFirst() {
            if byte == UInt8(ascii: "\"") { return String(decoding: bytes, as: UTF8.self) }
            if byte == UInt8(ascii: "\\") {
                guard let escaped = rest.popFirst() else { return nil }
                byte = escaped
            }
            bytes.append(byte)
        }
        return nil
    }

    private mutating func bare() -> String?? {
        let end = rest.firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "}") } ?? rest.endIndex
        let text = String(Substring(rest[..<end]))
        rest = rest[end...]
        guard !text.isEmpty, !text.contains("{") else { return nil }
        return .some(text == "NULL" ? nil : text)
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }
}
