import Foundation
import Models

/// The name of an uploaded file, cleaned: a label for people, never a path.
struct Filename: Hashable, Sendable {
    /// The longest label, in bytes of UTF-8: what file systems and ZIP tools take.
    static let maximumBytes = 255

    /// Empty if the client gave no name, or nothing was left of it. `init(label:)` takes one that was cleaned before.
    let label: String

    /// The label; `unnamed` with the usual extension of a media type if there is none.
    func label(for contentType: String) -> String {
        guard label.isEmpty else { return label }
        return ContentSniffer.usualExtension(of: contentType).map { "unnamed.\($0)" } ?? "unnamed"
    }
}

extension Filename {
    /// Cleans what a client wrote.
    ///
    /// The label is the last component of a path with either slash, in NFC, without control and format characters
    /// (the joiners of emoji and Persian stay), and without space around it or dots behind it. One that is too long, as
    /// Windows, macOS and phones allow it, is shortened and keeps its extension.
    ///
    /// - Parameter bytes: UTF-8, or else Windows-1252; as they came, with any escapes undone.
    /// - Throws: `badFilename` for NUL, CR or LF.
    init(cleaning bytes: some Collection<UInt8>) throws(ContentRejection) {
        guard !bytes.contains(where: { $0 == 0 || $0 == 0x0A || $0 == 0x0D }) else {
            throw ContentRejection(.badFilename, "The file's name has a line break or a NUL in it. Rename the file.")
        }
        self.init(showing: bytes)
    }

    /// As `init(cleaning:)`, for a name that is shown though it is refused.
    init(showing bytes: some Collection<UInt8>) {
        let text = LegacyText.string(bytes).unicodeScalars
        let last = text.split { $0 == "/" || $0 == "\\" }.last ?? Substring().unicodeScalars
        var visible = String.UnicodeScalarView()
        visible.append(contentsOf: last.lazy.filter { !Self.isHidden($0) })
        let label = Self.trimmed(String(visible).trimmingCharacters(in: .whitespaces))
        // What is shortened may end so again.
        self.init(label: Self.trimmed(Self.shortened(label.precomposedStringWithCanonicalMapping)))
    }

    /// Without the space and the dots at its end.
    private static func trimmed(_ label: String) -> String {
        var label = label
        while let end = label.last, end == "." || end.isWhitespace { label.removeLast() }
        return label
    }

    /// At most ``maximumBytes`` of a label; whole characters are left out before the extension, if that is one.
    private static func shortened(_ label: String) -> String {
        guard label.utf8.count > maximumBytes else { return label }
        let dot = label.lastIndex(of: ".").flatMap { dot in label[dot...].utf8.count <= 32 ? dot : nil }
        let end = dot.map { String(label[$0...]) } ?? ""
        var room = maximumBytes - end.utf8.count
        let stem = label[..<(dot ?? label.endIndex)].prefix { character in
            room -= character.utf8.count
            return room >= 0
        }
        return stem + end
    }

    /// Cleans a name that stands in a path.
    ///
    /// - Throws: As `init(cleaning:)`; `badFilename` also for a `%` that begins no byte.
    init(percentEncoded text: String) throws(ContentRejection) {
        guard let bytes = PercentEncoding.decode(text.utf8) else {
            throw ContentRejection(.badFilename, "The file's name in the path is not percent-encoded.")
        }
        try self.init(cleaning: bytes)
    }

    /// Control characters and those that turn the text around or cannot be seen.
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        case .format: scalar != "\u{200C}" && scalar != "\u{200D}"
        default: scalar.properties.isNoncharacterCodePoint
        }
    }
}

/// `%C3%B1` for bytes that a URL or a header cannot hold (RFC 3986 2.1). Foundation's `removingPercentEncoding` gives
/// text: it cannot tell a wrong `%` from bytes that are not UTF-8, which are an older character set's.
enum PercentEncoding {
    /// The bytes that are meant; nil if a `%` is not followed by two hexadecimal digits.
    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var rest = text[...]
        var decoded: [UInt8] = []
        while let byte = rest.popFirst() {
            if byte != UInt8(ascii: "%") {
                decoded.append(byte)
            } else if let high = rest.popFirst().flatMap(Hexadecimal.value),
                let low = rest.popFirst().flatMap(Hexadecimal.value)
            {
                decoded.append(high << 4 | low)
            } else {
                return nil
            }
        }
        return decoded
    }
}
