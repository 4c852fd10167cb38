/// A header value with its parameters, e.g. `form-data; name="photos"; filename="a.jpg"` (RFC 2045 5.1, RFC 6266).
struct MultipartHeaderValue: Equatable {
    /// What stands before the first `;`, in lower case.
    let value: String
    /// By name, in lower case. Quotes and backslashes are undone, and nothing else.
    let parameters: [String: [UInt8]]

    /// Reads a whole value. A parameter that comes twice is refused, since two readers would choose differently.
    init(parsing bytes: [UInt8]) throws(MultipartError) {
        var scanner = Scanner(rest: bytes[...])
        value = Self.lowercased(scanner.upToSemicolon())
        var parameters: [String: [UInt8]] = [:]
        while scanner.skip(UInt8(ascii: ";")) {
            scanner.skipSpace()
            if scanner.rest.isEmpty { break }
            let name = Self.lowercased(scanner.token())
            scanner.skipSpace()
            guard !name.isEmpty, scanner.skip(UInt8(ascii: "=")) else { throw Self.malformed }
            scanner.skipSpace()
            let isQuoted = scanner.rest.first == UInt8(ascii: "\"")
            let text = isQuoted ? try scanner.quotedString() : scanner.upToSemicolon()
            scanner.skipSpace()
            guard parameters.updateValue(text, forKey: name) == nil else { throw Self.malformed }
        }
        guard scanner.rest.isEmpty else { throw Self.malformed }
        self.parameters = parameters
    }

    fileprivate static let malformed = MultipartError(.badMultipart, "A header's parameters cannot be read.")

    private static func lowercased(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).lowercased()
    }
}

private struct Scanner {
    var rest: ArraySlice<UInt8>

    mutating func skip(_ byte: UInt8) -> Bool {
        guard rest.first == byte else { return false }
        rest.removeFirst()
        return true
    }

    mutating func skipSpace() {
        rest = rest.drop { $0 == 0x20 || $0 == 0x09 }
    }

    /// The text before the next `;`, without the space around it.
    mutating func upToSemicolon() -> [UInt8] {
        skipSpace()
        var text = rest.prefix { $0 != UInt8(ascii: ";") }
        rest = rest[text.endIndex...]
        while let last = text.last, last == 0x20 || last == 0x09 { text.removeLast() }
        return Array(text)
    }

    mutating func token() -> [UInt8] {
        let text = rest.prefix { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: ";") }
        rest = rest[text.endIndex...]
        return Array(text)
    }

    /// A backslash escapes a quote or a backslash; before anything else it is a letter of an old browser's path.
    mutating func quotedString() throws(MultipartError) -> [UInt8] {
        var text: [UInt8] = []
        rest.removeFirst()
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return text
            case UInt8(ascii: "\\"):
                let isEscape = rest.first == UInt8(ascii: "\"") || rest.first == UInt8(ascii: "\\")
                text.append(isEscape ? rest.removeFirst() : byte)
            default: text.append(byte)
            }
        }
        throw MultipartHeaderValue.malformed
    }
}
