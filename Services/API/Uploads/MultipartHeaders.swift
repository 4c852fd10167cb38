/// What the headers of one part say (RFC 7578).
struct MultipartHeaders: Equatable, Sendable {
    /// The form field's name.
    let name: String
    /// The file's name as the client wrote it: any bytes, or none. Nil if the part is no file.
    let filename: [UInt8]?
    /// The media type the client claims, in lower case and without parameters.
    let contentType: String?

    /// Reads a block of lines, each with its CR LF, without the empty line that ends it.
    init(parsing block: [UInt8]) throws(MultipartError) {
        var disposition: MultipartHeaderValue?
        var type: MultipartHeaderValue?
        for line in block.split(separator: UInt8(ascii: "\n")) {
            let (field, value) = try Self.field(line.dropLast())
            switch field {
            case "content-disposition":
                guard disposition == nil else { throw Self.malformed("has two Content-Disposition headers") }
                disposition = try MultipartHeaderValue(parsing: value)
            case "content-type":
                guard type == nil else { throw Self.malformed("has two Content-Type headers") }
                type = try MultipartHeaderValue(parsing: value)
            case "content-transfer-encoding":
                let encoding = try MultipartHeaderValue(parsing: value).value
                guard ["binary", "8bit", "7bit"].contains(encoding) else {
                    throw Self.malformed("is encoded; send its bytes as they are")
                }
            default: continue
            }
        }
        if let type, type.value.hasPrefix("multipart/") {
            throw MultipartError(.nestedMultipart, "A part is itself multipart. Send each file as a part of its own.")
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

    private static func malformed(_ problem: String) -> MultipartError {
        MultipartError(.badMultipart, "A part \(problem).")
    }

    private static func field(_ line: ArraySlice<UInt8>) throws(MultipartError) -> (name: String, value: [UInt8]) {
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
    private static func filename(_ disposition: MultipartHeaderValue) throws(MultipartError) -> [UInt8]? {
        let plain = disposition.parameters["filename"].map(unescaped)
        guard let extended = disposition.parameters["filename*"] else { return plain }
        let parts = extended.split(separator: UInt8(ascii: "'"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw malformed("has a filename* that cannot be read") }
        guard String(decoding: parts[0], as: UTF8.self).lowercased() == "utf-8" else { return plain }
        guard let name = PercentEncoding.decode(parts[2]) else {
            throw malformed("has a filename* that cannot be read")
        }
        return name
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
