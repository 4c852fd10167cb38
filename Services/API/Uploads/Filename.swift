import Foundation

/// The name of an uploaded file, cleaned: a label for people, never a path.
struct Filename: Hashable, Sendable {
    /// The longest label, in bytes of UTF-8: what file systems and ZIP tools take.
    static let maximumBytes = 255

    /// The label; empty if the client gave none, or nothing was left of it.
    let label: String

    /// Cleans what a client wrote.
    ///
    /// The label is the last component of a path with either slash, in NFC, without control and format characters
    /// (the joiners of emoji and Persian stay), and without space around it or dots behind it.
    ///
    /// - Parameter bytes: As they came, with any escapes undone.
    /// - Throws: `badFilename` for NUL, CR, LF or invalid UTF-8; `filenameTooLong`.
    init(cleaning bytes: some Collection<UInt8>) throws(FilenameError) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw FilenameError(.badFilename, "The file's name is not UTF-8. Rename the file.")
        }
        guard !bytes.contains(where: { $0 == 0 || $0 == 0x0A || $0 == 0x0D }) else {
            throw FilenameError(.badFilename, "The file's name has a line break or a NUL in it. Rename the file.")
        }
        let last = text.unicodeScalars.split { $0 == "/" || $0 == "\\" }.last ?? Substring().unicodeScalars
        var visible = String.UnicodeScalarView()
        visible.append(contentsOf: last.lazy.filter { !Self.isHidden($0) })
        var label = String(visible).trimmingCharacters(in: .whitespaces)
        while let end = label.last, end == "." || end.isWhitespace { label.removeLast() }
        label = label.precomposedStringWithCanonicalMapping
        guard label.utf8.count <= Self.maximumBytes else {
            let detail = "The file's name is longer than \(Self.maximumBytes) bytes. Rename the file."
            throw FilenameError(.filenameTooLong, detail)
        }
        self.label = label
    }

    /// Cleans a name that stands in a path.
    ///
    /// - Throws: As `init(cleaning:)`; `badFilename` also for a `%` that begins no byte.
    init(percentEncoded text: String) throws(FilenameError) {
        guard let bytes = PercentEncoding.decode(text.utf8) else {
            throw FilenameError(.badFilename, "The file's name in the path is not percent-encoded.")
        }
        try self.init(cleaning: bytes)
    }

    /// The letters after the last dot, in lower case; empty if there is no dot, or nothing before or behind it.
    var fileExtension: String {
        guard let dot = label.lastIndex(of: "."), dot > label.startIndex else { return "" }
        return label[label.index(after: dot)...].lowercased()
    }

    /// The label; `unnamed` with the usual extension of a media type if there is none.
    func label(for contentType: String) -> String {
        guard label.isEmpty else { return label }
        return ContentSniffer.usualExtension(of: contentType).map { "unnamed.\($0)" } ?? "unnamed"
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

/// A name that cannot be a label.
struct FilenameError: Error, Hashable {
    /// Stable names for programs.
    enum Code: String, CaseIterable, Sendable {
        /// 400
        case badFilename = "bad_filename"
        /// 400
        case filenameTooLong = "filename_too_long"
    }

    /// For programs.
    let code: Code
    /// For people.
    let detail: String

    /// Makes the error.
    init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }
}
