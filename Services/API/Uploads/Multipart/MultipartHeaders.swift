import HTTPTypes

/// What the headers of one part say (RFC 7578).
struct MultipartHeaders: Equatable, Sendable {
    let name: String
    /// The file's name as the client wrote it: any bytes, or none. Nil if the part is no file.
    let filename: [UInt8]?
    /// The media type the client claims, in lower case and without parameters.
    let contentType: String?

    /// Reads a block of lines, each with its CR LF, without the empty line that ends it.
    ///
    /// - Throws: `bad_multipart`, `nested_multipart`.
    init(parsing block: [UInt8]) throws(APIError) {
        var disposition: HeaderValue?
        var type: HeaderValue?
        for line in block.split(separator: UInt8(ascii: "\n")) {
            let (field, value) = try Self.field(line.dropLast())
            switch field {
            case "content-disposition":
                guard disposition == nil else { throw Self.malformed("has two Content-Disposition headers") }
                disposition = try HeaderValue(parsing: value)
            case "content-type":
                guard type == nil else { throw Self.malformed("has two Content-Type headers") }
                type = try HeaderValue(parsing: value)
            case "content-transfer-encoding":
                guard ["binary", "8bit", "7bit"].contains(try HeaderValue(parsing: value).value) else {
                    throw Self.malformed("is encoded; send its bytes as they are")
                }
            default: continue
            }
        }
        if let type, type.value.hasPrefix("multipart/") {
            throw APIError(
                status: .unsupportedMediaType,
                code: "nested_multipart",
                detail: "A part is itself multipart. Send each file as a part of its own."
            )
        }
        guard let disposition, disposition.value == "form-data" else {
            throw Self.malformed("has no Content-Disposition: form-data")
        }
        guard let name = disposition.parameters["name"],
            let name = String(validating: Self.unescaped(name), as: UTF8.self)
        else {
            throw Self.malformed("has no name that is UTF-8")
        }
        self.name = name
        filename = try Self.filename(disposition)
        contentType = type?.value
    }

    private static func malformed(_ problem: String) -> APIError { .badMultipart("A part \(problem).") }

    private static func field(_ line: ArraySlice<UInt8>) throws(APIError) -> (name: String, value: [UInt8]) {
        // A line that begins with a space continues the one before in mail; in a form nothing sends that.
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
            colon > line.startIndex,
            line[..<colon].allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
            !line.contains(where: { $0 == 0 || $0 == UInt8(ascii: "\r") })
        else {
            throw malformed("has a header that cannot be read")
        }
        return (String(decoding: line[..<colon], as: UTF8.self).lowercased(), Array(line[(colon + 1)...]))
    }

    /// `filename*` wins over `filename` (RFC 6266 4.3), unless its character set is not UTF-8.
    private static func filename(_ disposition: HeaderValue) throws(APIError) -> [UInt8]? {
        switch disposition.extendedFilename {
        case .bytes(let name): return name
        case nil, .otherCharset: return disposition.parameters["filename"].map(unescaped)
        case .malformed: throw malformed("has a filename* that cannot be read")
        }
    }

    /// Undoes what browsers do to a quote, CR and LF in a name; they leave every other `%` as it is. (WHATWG HTML,
    /// "multipart/form-data encoding algorithm".)
    private static func unescaped(_ text: [UInt8]) -> [UInt8] {
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

/// A header value with its parameters, e.g. `form-data; name="photos"; filename="a.jpg"` (RFC 2045 5.1, RFC 6266).
struct HeaderValue: Equatable {
    /// `filename*`, as RFC 8187 writes it: charset'language'percent-encoded.
    enum ExtendedFilename: Equatable {
        case bytes([UInt8])
        case otherCharset
        case malformed
    }

    /// What stands before the first `;`, in lower case.
    let value: String
    /// By name, in lower case. Quotes and backslashes are undone, and nothing else.
    let parameters: [String: [UInt8]]

    /// Reads a whole value. Throws `bad_multipart`, also for a parameter that comes twice: two readers would choose
    /// differently.
    init(parsing bytes: [UInt8]) throws(APIError) {
        var scanner = HeaderScanner(rest: bytes[...])
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
            guard let text = isQuoted ? scanner.quotedString() : scanner.upToSemicolon() else { throw Self.malformed }
            scanner.skipSpace()
            guard parameters.updateValue(text, forKey: name) == nil else { throw Self.malformed }
        }
        guard scanner.rest.isEmpty else { throw Self.malformed }
        self.parameters = parameters
    }

    var extendedFilename: ExtendedFilename? {
        guard let extended = parameters["filename*"] else { return nil }
        let parts = extended.split(separator: UInt8(ascii: "'"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return .malformed }
        guard Self.lowercased(Array(parts[0])) == "utf-8" else { return .otherCharset }
        return PercentEncoding.decode(parts[2]).map { .bytes($0) } ?? .malformed
    }

    private static let malformed = APIError.badMultipart("A header's parameters cannot be read.")

    private static func lowercased(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).lowercased()
    }
}

private struct HeaderScanner {
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

    /// A backslash escapes a quote or a backslash; before anything else it is a letter of an old browser's path. Nil if
    /// the last quote is missing.
    mutating func quotedString() -> [UInt8]? {
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
        return nil
    }
}
