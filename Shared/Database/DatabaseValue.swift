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

extension Identifier: DatabaseValue {
    public var databaseText: String? {
        get throws(DatabaseError) { description }
    }
}

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
                if elementText.utf8.contains(where: { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) {
                    for character in elementText.unicodeScalars {
                        if character == "\"" || character == "\\" { text += "\\" }
                        text.unicodeScalars.append(character)
                    }
                } else {
                    text += elementText
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

extension Date: DatabaseValue {
    /// The moment in UTC, to the microsecond, as `timestamptz` keeps it.
    public var databaseText: String? {
        get throws(DatabaseError) {
            guard let text = Timestamp.text(of: self) else {
                throw .undecodable("a date outside the years 1 to 9999")
            }
            return text
        }
    }

    /// Reads a `timestamptz`; nil for `infinity` and for years before 1 or after 9999.
    public init?(databaseText: String?) {
        guard let databaseText, let date = Timestamp.date(of: databaseText) else { return nil }
        self = date
    }
}

/// Moments in the form both Postgres (`DateStyle` ISO) and RFC 3339 read.
enum Timestamp {
    private static let microsecondsADay: Int64 = 86_400_000_000
    /// Of 2001-01-01, from which `Date` counts, since 1970-01-01.
    private static let referenceDay: Int64 = 11_323

    /// `2026-03-01T12:34:56.789012Z`; nil outside the years 1 to 9999.
    static func text(of date: Date) -> String? {
        let exact = (date.timeIntervalSinceReferenceDate * 1e6).rounded()
        guard abs(exact) < 1e18 else { return nil }
        let (days, rest) = Int64(exact).dividedRoundingDown(by: microsecondsADay)
        let (year, month, day) = civil(days: days + referenceDay)
        guard (1...9999).contains(year) else { return nil }
        let seconds = rest / 1_000_000
        return digits(year, 4) + "-" + digits(month, 2) + "-" + digits(day, 2) + "T" + digits(seconds / 3600, 2) + ":"
            + digits(seconds / 60 % 60, 2) + ":" + digits(seconds % 60, 2) + "." + digits(rest % 1_000_000, 6) + "Z"
    }

    /// Reads `2026-03-01 12:34:56.789012+00`, with `T` or a space, up to six decimals, and any offset or `Z`.
    static func date(of text: String) -> Date? {
        var reader = DigitReader(text.utf8)
        guard let year = reader.number(4), reader.take("-"), let month = reader.number(2), (1...12).contains(month),
            reader.take("-"), let day = reader.number(2), (1...31).contains(day), reader.take(" ") || reader.take("T"),
            let hour = reader.number(2), reader.take(":"), let minute = reader.number(2), reader.take(":"),
            let second = reader.number(2), let fraction = reader.take(".") ? reader.microseconds() : 0,
            let offset = reader.offset(), reader.isAtEnd
        else { return nil }
        let seconds = hour * 3600 + minute * 60 + second - offset
        let days = Self.days(year: year, month: month, day: day) - referenceDay
        let microseconds = (days * 86_400 + seconds) * 1_000_000 + fraction
        return Date(timeIntervalSinceReferenceDate: Double(microseconds) / 1e6)
    }

    private static func digits(_ number: Int64, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    // The two conversions are Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms": years begin in
    // March, so that the leap day is the last, and eras of 400 years have 146 097 days.

    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = year.dividedRoundingDown(by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = (days + 719_468).dividedRoundingDown(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }
}

extension Int64 {
    fileprivate func dividedRoundingDown(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

private struct DigitReader {
    private var rest: Substring.UTF8View

    init(_ text: String.UTF8View) {
        rest = text[...]
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    mutating func number(_ width: Int) -> Int64? {
        var number: Int64 = 0
        for _ in 0..<width {
            guard let digit = digit() else { return nil }
            number = number * 10 + digit
        }
        return number
    }

    mutating func microseconds() -> Int64? {
        guard var number = digit() else { return nil }
        for _ in 1..<6 { number = number * 10 + (digit() ?? 0) }
        return number
    }

    /// Seconds east of UTC.
    mutating func offset() -> Int64? {
        if take("Z") { return 0 }
        let sign: Int64 = take("-") ? -1 : 1
        guard sign < 0 || take("+"), let hours = number(2) else { return nil }
        guard take(":") else { return sign * hours * 3600 }
        guard let minutes = number(2) else { return nil }
        return sign * (hours * 3600 + minutes * 60)
    }

    private mutating func digit() -> Int64? {
        guard let byte = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
        rest.removeFirst()
        return Int64(byte - UInt8(ascii: "0"))
    }
}
