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
