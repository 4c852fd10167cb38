import Foundation
import Models

/// Checks of the texts people send.
enum Text {
    /// One line of text, trimmed; what is trimmed counts towards its length.
    static func line(
        _ text: String,
        _ field: String,
        most: Int,
        orEmpty: Bool = false
    ) throws(APIError) -> String {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard orEmpty || !trimmed.isEmpty else {
            throw .badRequest("bad_value", "The field “\(field)” may not be empty.")
        }
        guard text.unicodeScalars.count <= most else {
            throw .badRequest("bad_value", "The field “\(field)” may have \(most) characters at most.")
        }
        guard !trimmed.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw .badRequest("bad_value", "The field “\(field)” may not hold control characters.")
        }
        return trimmed
    }

    /// A filter of a list; a blank one is none.
    static func filter(_ text: String?, _ field: String) throws(APIError) -> String? {
        guard let text else { return nil }
        let line = try line(text, field, most: 300, orEmpty: true)
        return line.isEmpty ? nil : line
    }

    /// Attributes become columns, so there is a limit to their number and names.
    static func attributes(_ attributes: [String: JSONValue]) throws(APIError) -> [String: JSONValue] {
        guard attributes.count <= 200 else {
            throw .badRequest("bad_value", "An item may have 200 attributes at most.")
        }
        for (name, value) in attributes {
            _ = try line(name, "attributes", most: 200)
            if let obstacle = value.obstacle {
                throw .badRequest("bad_value", "The attribute “\(name)” may not hold \(obstacle).")
            }
        }
        return attributes
    }
}

extension JSONValue {
    /// What keeps it from being stored as it is: Postgres has no NUL, and a number past 64 bits would lose digits.
    fileprivate var obstacle: String? {
        switch self {
        case .null, .bool, .integer: nil
        case .number(let number): number.magnitude < 0x1p63 ? nil : "a number past 64 bits"
        case .string(let text): text.utf8.contains(0) ? "the character U+0000" : nil
        case .array(let values): values.lazy.compactMap(\.obstacle).first
        case .object(let members):
            members.lazy.compactMap { JSONValue.string($0.key).obstacle ?? $0.value.obstacle }.first
        }
    }
}
