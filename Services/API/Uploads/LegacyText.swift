import Foundation
import Models

/// Text of clients that do not write UTF-8: in an older character set, or in the encoded words of mail.
enum LegacyText {
    /// Any bytes: what is not UTF-8 is taken as Windows-1252, in which every byte is something.
    static func string(_ bytes: some Collection<UInt8>) -> String {
        String(validating: bytes, as: UTF8.self) ?? windows1252(bytes)
    }

    /// The same in a character set that is named; nil for one that is not known. ISO 8859-1 is read as the Windows-1252
    /// that most of its writers mean, as browsers do (WHATWG Encoding, 4.2).
    static func string(_ bytes: some Collection<UInt8>, in charset: some StringProtocol) -> String? {
        switch charset.lowercased() {
        case "utf-8", "utf8", "us-ascii", "ascii": string(bytes)
        case "iso-8859-1", "iso8859-1", "latin1", "windows-1252", "cp1252": windows1252(bytes)
        case "iso-8859-15", "iso8859-15": iso885915(bytes)
        default: nil
        }
    }

    private static func windows1252(_ bytes: some Collection<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        for byte in bytes {
            text.append((0x80...0x9F).contains(byte) ? windows[Int(byte) - 0x80] : Unicode.Scalar(byte))
        }
        return String(text)
    }

    private static func iso885915(_ bytes: some Collection<UInt8>) -> String {
        String(String.UnicodeScalarView(bytes.map { latin9[$0] ?? Unicode.Scalar($0) }))
    }

    /// What Windows-1252 has at 0x80 to 0x9F; the bytes it leaves out stay control characters.
    private static let windows = Array(
        "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8D}Ž\u{8F}\u{90}‘’“”•–—˜™š›œ\u{9D}žŸ".unicodeScalars
    )
    private static let latin9: [UInt8: Unicode.Scalar] = [
        0xA4: "€", 0xA6: "Š", 0xA8: "š", 0xB4: "Ž", 0xB8: "ž", 0xBC: "Œ", 0xBD: "œ", 0xBE: "Ÿ",
    ]
}

// MARK: - Encoded words

extension LegacyText {
    /// Bytes with the encoded words of mail in them (RFC 2047: `=?UTF-8?Q?a=C3=B1o?=`) as UTF-8. What is no such word, or
    /// of a character set that is not known, stays as it is.
    static func undoingEncodedWords(in bytes: [UInt8]) -> [UInt8] {
        var rest = bytes[...]
        var decoded: [UInt8] = []
        var words: EncodedWord?
        var gap: [UInt8] = []
        func flush() {
            if let words { decoded += words.utf8 }
            words = nil
            decoded += gap
            gap = []
        }
        while let byte = rest.first {
            if let word = EncodedWord(beginning: rest) {
                // Space between two words is none of the text, and a character may be cut in two by it.
                gap = []
                if words?.charset == word.charset {
                    words?.bytes += word.bytes
                } else {
                    flush()
                    words = word
                }
                rest = rest.dropFirst(word.length)
                continue
            }
            rest.removeFirst()
            if words != nil, byte == 0x20 || byte == 0x09 {
                gap.append(byte)
            } else {
                flush()
                decoded.append(byte)
            }
        }
        flush()
        return decoded
    }

    private struct EncodedWord {
        let charset: String
        /// How many bytes it takes as it is written.
        let length: Int
        var bytes: [UInt8]

        var utf8: [UInt8] { Array((LegacyText.string(bytes, in: charset) ?? "").utf8) }

        /// Nil unless the text begins with a word that can be read.
        init?(beginning text: ArraySlice<UInt8>) {
            guard text.starts(with: "=?".utf8) else { return nil }
            let mark = UInt8(ascii: "?")
            let parts = text.dropFirst(2).split(separator: mark, maxSplits: 3, omittingEmptySubsequences: false)
            guard parts.count == 4, parts[3].first == UInt8(ascii: "="), parts[1].count == 1 else { return nil }
            // A language may follow the character set (RFC 2231, 5).
            let charset = String(decoding: parts[0].prefix { $0 != UInt8(ascii: "*") }, as: UTF8.self).lowercased()
            guard LegacyText.string([], in: charset) != nil else { return nil }
            let bytes: [UInt8]? =
                switch parts[1].first {
                case UInt8(ascii: "B"), UInt8(ascii: "b"): Self.base64(parts[2])
                case UInt8(ascii: "Q"), UInt8(ascii: "q"): Self.quotedPrintable(parts[2])
                default: nil
                }
            guard let bytes else { return nil }
            self.charset = charset
            self.bytes = bytes
            length = parts[3].startIndex + 1 - text.startIndex
        }

        /// The Q encoding (RFC 2047, 4.2): `=C3` is a byte and `_` a space.
        private static func quotedPrintable(_ text: ArraySlice<UInt8>) -> [UInt8]? {
            var rest = text
            var bytes: [UInt8] = []
            while let byte = rest.popFirst() {
                switch byte {
                case UInt8(ascii: "_"): bytes.append(0x20)
                case UInt8(ascii: "="):
                    guard let high = rest.popFirst().flatMap(Hexadecimal.value),
                        let low = rest.popFirst().flatMap(Hexadecimal.value)
                    else { return nil }
                    bytes.append(high << 4 | low)
                default: bytes.append(byte)
                }
            }
            return bytes
        }

        private static func base64(_ text: ArraySlice<UInt8>) -> [UInt8]? {
            // Some writers leave out the padding.
            let padded = text + repeatElement(UInt8(ascii: "="), count: -text.count & 3)
            return Data(base64Encoded: Data(padded)).map { Array($0) }
        }
    }
}
