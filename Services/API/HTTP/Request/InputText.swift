import Foundation

enum InputText {
    /// One line of text, trimmed; what is trimmed counts towards its length.
    ///
    /// - Throws: `bad_value` if it is empty, has more than `most` Unicode scalars, or holds control characters.
    static func line(_ text: String, _ field: String, most: Int, orEmpty: Bool = false) throws(APIError) -> String {
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

    /// A filter of a list; nil if it is blank. Throws `bad_value`.
    static func filter(_ text: String?, _ field: String) throws(APIError) -> String? {
        guard let text else { return nil }
        let line = try line(text, field, most: 300, orEmpty: true)
        return line.isEmpty ? nil : line
    }
}
