import Models

/// Checks of the texts people send.
enum Text {
    /// One line of text, trimmed.
    static func line(
        _ text: String,
        _ field: String,
        most: Int,
        orEmpty: Bool = false
    ) throws(APIError) -> String {
        let text = text.trimmingPrefix { $0.isWhitespace }
        let trimmed = String(text.reversed().trimmingPrefix { $0.isWhitespace }.reversed())
        guard orEmpty || !trimmed.isEmpty else {
            throw .badRequest("bad_value", "The field “\(field)” may not be empty.")
        }
        guard trimmed.utf8.count <= most else {
            throw .badRequest("bad_value", "The field “\(field)” may have \(most) bytes at most.")
        }
        guard !trimmed.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw .badRequest("bad_value", "The field “\(field)” may not hold control characters.")
        }
        return trimmed
    }

    /// A filter of a list; an empty one is none.
    static func filter(_ text: Substring?, _ field: String) throws(APIError) -> String? {
        guard let text, !text.isEmpty else { return nil }
        return try line(String(text), field, most: 300)
    }

    /// Attributes become columns, so there is a limit to their number and names. Postgres stores no NUL.
    static func attributes(_ attributes: [String: JSONValue]) throws(APIError) -> [String: JSONValue] {
        guard attributes.count <= 200 else {
            throw .badRequest("bad_value", "An item may have 200 attributes at most.")
        }
        for (name, value) in attributes {
            _ = try line(name, "attributes", most: 200)
            guard !value.holdsNUL else {
                throw .badRequest("bad_value", "The attribute “\(name)” may not hold the character U+0000.")
            }
        }
        return attributes
    }
}

extension JSONValue {
    fileprivate var holdsNUL: Bool {
        switch self {
        case .null, .bool, .integer, .number: false
        case .string(let text): text.utf8.contains(0)
        case .array(let values): values.contains(where: \.holdsNUL)
        case .object(let members): members.contains { $0.key.utf8.contains(0) || $0.value.holdsNUL }
        }
    }
}
