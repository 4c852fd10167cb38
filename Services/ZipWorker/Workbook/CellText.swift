/// A text as a cell can hold it.
enum CellText {
    /// The same text for people, if it fits; cut with a note at its end if it does not.
    ///
    /// Characters XML 1.0 forbids are dropped (one of them and Excel calls the file damaged), line breaks become those
    /// of Excel, and a text that looks like Excel's `_x0041_` for “A” is escaped so that it stays as it is.
    ///
    /// - Parameters:
    ///   - text: Any text.
    ///   - limit: In units of UTF-16, which is what Excel counts.
    ///   - note: Stands at the end of what was cut.
    /// - Returns: What to write.
    static func fitted(_ text: String, limit: Int, note: String) -> String {
        guard text.utf8.count > limit || mayNeedEscape(text) else { return text }
        let room = limit - note.utf16.count
        var fitted = ""
        var length = 0
        var end = fitted.utf8.count
        var scalars = text.unicodeScalars[...]
        while let scalar = scalars.popFirst() {
            let piece = escaped(scalar, before: scalars)
            length += piece.utf16.count
            guard length <= limit else { return String(decoding: fitted.utf8.prefix(end), as: UTF8.self) + note }
            fitted.unicodeScalars.append(contentsOf: piece.unicodeScalars)
            if length <= room { end = fitted.utf8.count }
        }
        return fitted
    }

    /// A quick look, wrong only on the safe side: control characters, `_x`, or what U+FFFE and U+FFFF begin with.
    private static func mayNeedEscape(_ text: String) -> Bool {
        var last: UInt8 = 0
        for byte in text.utf8 {
            guard byte >= 0x20, byte != 0xEF, last != UInt8(ascii: "_") || byte | 0x20 != UInt8(ascii: "x") else {
                return true
            }
            last = byte
        }
        return false
    }

    private static func escaped(_ scalar: Unicode.Scalar, before rest: Substring.UnicodeScalarView) -> String {
        switch scalar {
        case "\r": rest.first == "\n" ? "" : "\n"
        case "\t", "\n": String(scalar)
        case "\u{0}"..<" ", "\u{FFFE}", "\u{FFFF}": ""
        case "_" where isEscape(rest): "_x005F_"
        default: String(scalar)
        }
    }

    /// ECMA-376, 22.4.2.4: `_xHHHH_` is the character of that number.
    private static func isEscape(_ rest: Substring.UnicodeScalarView) -> Bool {
        let candidate = Array(rest.prefix(6))
        guard candidate.count == 6, candidate[0] == "x" || candidate[0] == "X", candidate[5] == "_" else {
            return false
        }
        return candidate[1...4].allSatisfy(\.properties.isASCIIHexDigit)
    }
}
