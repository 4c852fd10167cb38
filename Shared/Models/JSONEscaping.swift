/// Text as it stands between the quotation marks of a JSON string (RFC 8259, 7), for writers that must not fail.
public enum JSONEscaping {
    /// The most bytes one scalar becomes: `\u001b`.
    public static let maximumScalarBytes = 6

    /// Beside what JSON asks for, U+007F…U+009F are escaped: a terminal that shows the text obeys U+009B.
    public static func append(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
        switch scalar {
        case "\"": bytes.append(contentsOf: #"\""#.utf8)
        case "\\": bytes.append(contentsOf: #"\\"#.utf8)
        case "\n": bytes.append(contentsOf: #"\n"#.utf8)
        case "\0"..."\u{1F}", "\u{7F}"..."\u{9F}":
            bytes.append(contentsOf: #"\u00"#.utf8)
            bytes.append(contentsOf: Hexadecimal.encode([UInt8(truncatingIfNeeded: scalar.value)]).utf8)
        default: bytes.append(contentsOf: scalar.utf8)
        }
    }

    /// Appends the whole text with its quotation marks.
    public static func append(quoting text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars { append(scalar, to: &bytes) }
        bytes.append(UInt8(ascii: "\""))
    }
}
