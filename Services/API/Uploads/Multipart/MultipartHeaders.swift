import HTTPTypes

/// What the headers of one part say (RFC 7578).
struct MultipartHeaders: Equatable, Sendable {
    /// The field's name.
    let name: String
    /// The file's name: any bytes, or none. Nil if the part is no file.
    let filename: [UInt8]?
    /// The media type the client claims, in lower case and without parameters.
    let contentType: String?

    /// Reads a block of lines, each with its LF or CR LF, without the empty line that ends it.
    ///
    /// What is wrong with a file's name is left to the check of that name: it refuses one file and not its request.
    ///
    /// - Throws: `bad_multipart`, `nested_multipart`.
    init(parsing block: [UInt8]) throws(APIError) {
        var disposition: HeaderValue?
        var type: String?
        for (field, value) in try Self.fields(block) {
            switch field {
            case "content-disposition":
                guard disposition == nil else { throw Self.malformed("has two Content-Disposition headers") }
                disposition = try HeaderValue(parsing: value)
            case "content-type":
                guard type == nil else { throw Self.malformed("has two Content-Type headers") }
                type = HeaderValue.main(of: value)
            case "content-transfer-encoding":
                guard ["binary", "8bit", "7bit"].contains(HeaderValue.main(of: value)) else {
                    throw Self.malformed("is encoded; send its bytes as they are")
                }
            default: continue
            }
        }
        if let type, type.hasPrefix("multipart/") {
            throw APIError(
                status: .unsupportedMediaType,
                code: "nested_multipart",
                detail: "A part is itself multipart. Send each file as a part of its own."
            )
        }
        guard let disposition, disposition.value == "form-data" else {
            throw Self.malformed("has no Content-Disposition: form-data")
        }
        guard let name = disposition.parameters["name"], !name.contains(0) else {
            throw Self.malformed("has no name")
        }
        self.name = LegacyText.string(HeaderValue.unescaped(name))
        filename = disposition.formFilename
        contentType = type
    }

    private static func malformed(_ problem: String) -> APIError { .badMultipart("A part \(problem).") }

    private static func fields(_ block: [UInt8]) throws(APIError) -> [(name: String, value: [UInt8])] {
        var fields: [(name: String, value: [UInt8])] = []
        // Each line of a name with line breaks is a look at all of it.
        var namesLines = 0
        for line in block.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast() {
            let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            let isContinued = line.first == 0x20 || line.first == 0x09
            if let last = fields.indices.last,
                isContinued || (namesLines < maximumNameLines && isUnfinished(fields[last]))
            {
                if !isContinued { namesLines += 1 }
                // A folded line (RFC 5322, 2.2.3) goes on behind one space; any other one, in a name that has a line
                // break in it.
                fields[last].value.append(isContinued ? 0x20 : UInt8(ascii: "\n"))
                fields[last].value += line.drop { isContinued && ($0 == 0x20 || $0 == 0x09) }
            } else {
                fields.append(try field(line))
            }
        }
        return fields
    }

    /// Lines of one name; a value of more is not read as one.
    private static let maximumNameLines = 16

    private static func isUnfinished(_ field: (name: String, value: [UInt8])) -> Bool {
        field.name == "content-disposition" && HeaderValue.isUnfinished(field.value)
    }

    private static func field(_ line: ArraySlice<UInt8>) throws(APIError) -> (name: String, value: [UInt8]) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
            colon > line.startIndex,
            line[..<colon].allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else {
            throw malformed("has a header that cannot be read")
        }
        return (String(decoding: line[..<colon], as: UTF8.self).lowercased(), Array(line[(colon + 1)...]))
    }
}

/// A header value with its parameters, e.g. `form-data; name="photos"; filename="a.jpg"` (RFC 2045 5.1, RFC 6266).
struct HeaderValue: Equatable {
    /// What stands before the first `;`, in lower case.
    let value: String
    /// By name, in lower case. Quotes and backslashes are undone, and nothing else.
    let parameters: [String: [UInt8]]

    /// Reads a whole value. Throws `bad_multipart`, also for a parameter that comes twice: two readers would choose
    /// differently.
    init(parsing bytes: [UInt8]) throws(APIError) {
        var scanner = HeaderScanner(rest: bytes[...])
        (value, parameters) = try Self.read(&scanner)
    }

    /// What stands before the parameters, in lower case, whatever they are.
    static func main(of bytes: [UInt8]) -> String {
        var scanner = HeaderScanner(rest: bytes[...])
        return lowercased(scanner.upToSemicolon())
    }

    /// Whether a value ends within quotes.
    static func isUnfinished(_ bytes: [UInt8]) -> Bool {
        var scanner = HeaderScanner(rest: bytes[...])
        _ = try? read(&scanner)
        return scanner.isUnfinished
    }

    private static func read(_ scanner: inout HeaderScanner) throws(APIError) -> (String, [String: [UInt8]]) {
        let value = lowercased(scanner.upToSemicolon())
        var parameters: [String: [UInt8]] = [:]
        while scanner.skip(UInt8(ascii: ";")) {
            scanner.skipSpace()
            if scanner.rest.isEmpty { break }
            let name = lowercased(scanner.token())
            scanner.skipSpace()
            guard !name.isEmpty, scanner.skip(UInt8(ascii: "=")) else { throw malformed }
            scanner.skipSpace()
            let isQuoted = scanner.rest.first == UInt8(ascii: "\"")
            guard let text = isQuoted ? scanner.quotedString() : scanner.upToSemicolon() else { throw malformed }
            scanner.skipSpace()
            guard parameters.updateValue(text, forKey: name) == nil else { throw malformed }
        }
        guard scanner.rest.isEmpty else { throw malformed }
        return (value, parameters)
    }

    private static let malformed = APIError.badMultipart("A header's parameters cannot be read.")

    private static func lowercased(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).lowercased()
    }
}

// MARK: - Names of files

extension HeaderValue {
    /// The file's name, in UTF-8 if the header says how to read it; nil without one.
    ///
    /// `filename*` wins over `filename` (RFC 6266 4.3) if it can be read. In `filename`, some clients write the encoded
    /// words of mail.
    var filename: [UInt8]? { filename { $0 } }

    /// The same in a form, where browsers escape some characters.
    var formFilename: [UInt8]? { filename(undoing: Self.unescaped) }

    private func filename(undoing escapes: ([UInt8]) -> [UInt8]) -> [UInt8]? {
        if let name = extendedFilename ?? continuedFilename { return name }
        if let name = parameters["filename"] { return LegacyText.undoingEncodedWords(in: escapes(name)) }
        // Written against its standard, it is a label all the same.
        return parameters["filename*"].map { Array($0.split(separator: UInt8(ascii: "'")).last ?? []) }
    }

    /// `filename*`, as RFC 8187 writes it: charset'language'percent-encoded.
    private var extendedFilename: [UInt8]? {
        guard let (charset, text) = parameters["filename*"].flatMap(Self.extendedValue),
            let bytes = PercentEncoding.decode(text)
        else { return nil }
        return LegacyText.string(bytes, in: charset).map { Array($0.utf8) }
    }

    /// A name that mail programs have cut into `filename*0`, `filename*1*`… (RFC 2231, 3 and 4.1).
    private var continuedFilename: [UInt8]? {
        var bytes: [UInt8] = []
        var charset = "utf-8"
        var number = 0
        while true {
            if let plain = parameters["filename*\(number)"] {
                bytes += plain
            } else if let encoded = parameters["filename*\(number)*"] {
                var text = encoded[...]
                if number == 0, let first = Self.extendedValue(encoded) { (charset, text) = first }
                bytes += PercentEncoding.decode(text) ?? Array(text)
            } else {
                break
            }
            number += 1
        }
        guard number > 0 else { return nil }
        return LegacyText.string(bytes, in: charset).map { Array($0.utf8) } ?? bytes
    }

    private static func extendedValue(_ value: [UInt8]) -> (charset: String, text: ArraySlice<UInt8>)? {
        let parts = value.split(separator: UInt8(ascii: "'"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        return (lowercased(Array(parts[0])), parts[2])
    }

    /// Undoes what browsers do to a quote, CR and LF in a name; they leave every other `%` as it is. (WHATWG HTML,
    /// "multipart/form-data encoding algorithm".)
    static func unescaped(_ text: [UInt8]) -> [UInt8] {
        var rest = text[...]
        var unescaped: [UInt8] = []
        while let byte = rest.popFirst() {
            switch (byte, String(decoding: rest.prefix(2), as: UTF8.self).uppercased()) {
            case (UInt8(ascii: "%"), "22"): unescaped.append(UInt8(ascii: "\""))
            case (UInt8(ascii: "%"), "0D"): unescaped.append(UInt8(ascii: "\r"))
            case (UInt8(ascii: "%"), "0A"): unescaped.append(UInt8(ascii: "\n"))
            default:
                unescaped.append(byte)
                continue
            }
            rest = rest.dropFirst(2)
        }
        return unescaped
    }
}

private struct HeaderScanner {
    var rest: ArraySlice<UInt8>
    /// Whether a quoted string has no end.
    private(set) var isUnfinished = false

    init(rest: ArraySlice<UInt8>) {
        self.rest = rest
    }

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

    /// A backslash escapes a quote or a backslash; before anything else it is a letter of an old browser's path. A quote
    /// that another parameter or the end does not follow is one that its client has not escaped. Nil if the last quote is
    /// missing.
    mutating func quotedString() -> [UInt8]? {
        var text: [UInt8] = []
        rest.removeFirst()
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\"") where endsParameter: return text
            case UInt8(ascii: "\\"):
                let isEscape = rest.first == UInt8(ascii: "\"") || rest.first == UInt8(ascii: "\\")
                text.append(isEscape ? rest.removeFirst() : byte)
            default: text.append(byte)
            }
        }
        isUnfinished = true
        return nil
    }

    private var endsParameter: Bool {
        let next = rest.first { $0 != 0x20 && $0 != 0x09 }
        return next == nil || next == UInt8(ascii: ";")
    }
}
