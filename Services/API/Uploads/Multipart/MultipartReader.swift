import Glibc
import HTTPTypes
import NIOCore

/// Takes the body of one `multipart/form-data` request apart while it arrives (RFC 7578, RFC 2046 section 5.1).
///
/// ```swift
/// var reader = try MultipartReader(contentType: contentType)
/// for try await chunk in body {
///     reader.feed(chunk)
///     while let event = try reader.next() { … }
/// }
/// reader.end()
/// while let event = try reader.next() { … }
/// ```
/// It holds what has not been asked for yet, which is less than a header block once `next()` has given nil.
/// The bytes of a part are slices of the chunks, not copies.
///
/// Scripts end lines with LF instead of CR LF, all of them or some. Where that leaves open what belongs to a file, the
/// lines before it decide; ``judge(_:lineStart:lineFeed:)`` has the rules.
struct MultipartReader {
    enum Event: Equatable, Sendable {
        case partBegan(MultipartHeaders)
        /// Never empty.
        case bytes(ByteBuffer)
        case partEnded
        /// The last part is whole. What a client sends after it is skipped.
        case finished
    }

    /// Header bytes of one part, its empty line included.
    static let maximumHeaderBytes = 8192
    /// Bytes before the first part, and again after the last. Browsers send none.
    static let maximumSurroundingBytes = 8192
    /// Spaces and tabs after a boundary.
    static let maximumPaddingBytes = 256

    private enum State {
        case start
        case preamble(skipped: Int)
        case delimiterLine
        /// The block without its unfinished line, and how far that line has been searched for its end.
        case headers(complete: Int, searched: Int)
        case bodyStart
        case body
        case epilogue(skipped: Int)
    }

    /// `--boundary`, which stands behind a line's end. A boundary has no LF, so that one is the only place where a match
    /// can begin.
    private let delimiter: [UInt8]
    private var state = State.start
    private var buffer = ByteBuffer()
    /// Whether a boundary's line or a header has ended with CR LF so far, and with LF alone.
    private var hasCRLF = false
    private var hasBareLF = false
    private var isEnded = false

    /// - Throws: `not_multipart`, `bad_multipart`.
    init(contentType: String) throws(APIError) {
        delimiter = try Array("--".utf8) + Self.boundary(in: contentType)
    }

    /// Takes the next chunk of the body; any cut is fine.
    mutating func feed(_ chunk: ByteBuffer) {
        guard buffer.readableBytes > 0 else {
            buffer = chunk
            return
        }
        // A slice, so that appending copies the few bytes held back and not the whole chunk they came in.
        if buffer.readerIndex > 0 { buffer = buffer.slice() }
        buffer.writeImmutableBuffer(chunk)
    }

    /// Says that nothing more is fed: `next()` gives what depended on that.
    mutating func end() { isEnded = true }

    /// The next event; nil until more is fed, or at the end. After an error the rest of the body means nothing.
    mutating func next() throws(APIError) -> Event? {
        while true {
            switch try step() {
            case .event(let event): return event
            case .again: continue
            case .starved:
                if case .epilogue = state { return nil }
                guard !isEnded else {
                    throw APIError.badMultipart("The body ends before its final boundary. Send the request again.")
                }
                return nil
            }
        }
    }
}

extension MultipartReader {
    private enum Step {
        case event(Event)
        case again
        case starved
    }

    private mutating func step() throws(APIError) -> Step {
        switch state {
        case .start:
            return matchAtBoundary(else: .preamble(skipped: 0), then: .again)
        case .preamble(let skipped):
            return try skipPreamble(skipped)
        case .delimiterLine:
            return try endDelimiterLine()
        case .headers(let complete, let searched):
            return try readHeaders(complete: complete, searched: searched)
        case .bodyStart:
            // The empty line that ends the headers may be the delimiter's own: a part without a body.
            return matchAtBoundary(else: .body, then: .event(.partEnded))
        case .body:
            return readBody()
        case .epilogue(let skipped):
            guard buffer.readableBytes > 0 else { return .starved }
            let total = skipped + buffer.readableBytes
            buffer = ByteBuffer()
            guard total <= Self.maximumSurroundingBytes else {
                throw APIError.badMultipart("Too much follows the final boundary.")
            }
            state = .epilogue(skipped: total)
            return .starved
        }
    }

    /// Whether the delimiter stands here.
    private mutating func matchAtBoundary(else other: State, then step: Step) -> Step {
        let count = min(delimiter.count, buffer.readableBytes)
        guard buffer.readableBytesView.prefix(count).elementsEqual(delimiter.prefix(count)) else {
            state = other
            return .again
        }
        guard count == delimiter.count else { return .starved }
        buffer.moveReaderIndex(forwardBy: count)
        state = .delimiterLine
        return step
    }

    private mutating func skipPreamble(_ skipped: Int) throws(APIError) -> Step {
        let (count, length) = bytesBeforeDelimiter(isPreamble: true)
        guard skipped + count <= Self.maximumSurroundingBytes else {
            throw APIError.badMultipart("The body does not begin with its boundary.")
        }
        buffer.moveReaderIndex(forwardBy: count + (length ?? 0))
        state = length == nil ? .preamble(skipped: skipped + count) : .delimiterLine
        return length == nil ? .starved : .again
    }

    private mutating func endDelimiterLine() throws(APIError) -> Step {
        let bytes = buffer.readableBytesView
        if bytes.first == UInt8(ascii: "-") {
            guard bytes.count > 1 else { return .starved }
            guard bytes[bytes.startIndex + 1] == UInt8(ascii: "-") else { throw .afterBoundary }
            buffer.moveReaderIndex(forwardBy: 2)
            state = .epilogue(skipped: 0)
            return .event(.finished)
        }
        let padding = bytes.prefix(Self.maximumPaddingBytes + 1).prefix { $0 == 0x20 || $0 == 0x09 }.count
        guard padding <= Self.maximumPaddingBytes else { throw .afterBoundary }
        let lineEnd = bytes.dropFirst(padding).prefix(2)
        let isBare = lineEnd.first == UInt8(ascii: "\n")
        guard isBare || "\r\n".utf8.starts(with: lineEnd) else { throw .afterBoundary }
        guard isBare || lineEnd.count == 2 else { return .starved }
        noteLineEnd(isBare: isBare)
        buffer.moveReaderIndex(forwardBy: padding + (isBare ? 1 : 2))
        state = .headers(complete: 0, searched: 0)
        return .again
    }

    private mutating func noteLineEnd(isBare: Bool) {
        if isBare { hasBareLF = true } else { hasCRLF = true }
    }

    private mutating func readHeaders(complete: Int, searched: Int) throws(APIError) -> Step {
        let limit = min(buffer.readableBytes, Self.maximumHeaderBytes)
        let block = buffer.readableBytesView.prefix(limit)
        guard let lineFeed = block.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n")) else {
            guard limit < Self.maximumHeaderBytes else {
                throw APIError(
                    status: .requestHeaderFieldsTooLarge,
                    code: "headers_too_large",
                    detail: "The headers of a part exceed \(Self.maximumHeaderBytes) bytes."
                )
            }
            state = .headers(complete: complete, searched: limit)
            return .starved
        }
        let end = lineFeed - block.startIndex
        let isBare = end == complete || block[lineFeed - 1] != UInt8(ascii: "\r")
        noteLineEnd(isBare: isBare)
        guard end - (isBare ? 0 : 1) == complete else {
            state = .headers(complete: end + 1, searched: end + 1)
            return .again
        }
        let headers = try MultipartHeaders(parsing: Array(block.prefix(complete)))
        buffer.moveReaderIndex(forwardBy: end + 1)
        state = .bodyStart
        return .event(.partBegan(headers))
    }

    private mutating func readBody() -> Step {
        let (count, length) = bytesBeforeDelimiter()
        if count > 0, let bytes = buffer.readSlice(length: count) { return .event(.bytes(bytes)) }
        guard let length else { return .starved }
        buffer.moveReaderIndex(forwardBy: length)
        state = .delimiterLine
        return .event(.partEnded)
    }
}

// MARK: - Delimiters

extension MultipartReader {
    private enum Verdict {
        case content
        /// It begins so many bytes from here.
        case delimiter(Int)
        case undecided
    }

    /// How many bytes certainly stand before the next delimiter, and the length of that with the line's end before it if
    /// it follows them; it may also be cut off, or not be there.
    private func bytesBeforeDelimiter(isPreamble: Bool = false) -> (count: Int, length: Int?) {
        buffer.withUnsafeReadableBytes { bytes in
            delimiter.withUnsafeBytes { delimiter in
                guard let start = bytes.baseAddress, let pattern = delimiter.baseAddress else { return (0, nil) }
                var searched = 0
                while let match = memchr(start + searched, Int32(UInt8(ascii: "\n")), bytes.count - searched) {
                    let lineFeed = start.distance(to: UnsafeRawPointer(match))
                    let comparable = min(delimiter.count, bytes.count - lineFeed - 1)
                    searched = lineFeed + 1
                    guard memcmp(match + 1, pattern, comparable) == 0 else { continue }
                    let hasCR = lineFeed > 0 && bytes[lineFeed - 1] == UInt8(ascii: "\r")
                    let lineStart = hasCR ? lineFeed - 1 : lineFeed
                    guard comparable == delimiter.count else { return (lineStart, nil) }
                    let verdict =
                        isPreamble ? .delimiter(lineStart) : judge(bytes, lineStart: lineStart, lineFeed: lineFeed)
                    switch verdict {
                    case .content: continue
                    case .delimiter(let begin): return (begin, lineFeed + 1 + delimiter.count - begin)
                    case .undecided: return (lineStart, nil)
                    }
                }
                // A CR may be the beginning of a line's end.
                return (bytes.last == UInt8(ascii: "\r") ? bytes.count - 1 : bytes.count, nil)
            }
        }
    }

    /// Whether a line's end and the boundary behind it are a delimiter or belong to a file, and if the first, whether a CR
    /// before the LF belongs to the file.
    ///
    /// - CR LF and the boundary are a delimiter once a line has ended so.
    /// - Where all lines have ended with LF, a file's last byte may be a CR: it is the line's only if the delimiter's own
    ///   line ends with CR LF.
    /// - LF and the boundary are a delimiter if a line has ended so, and this one is a whole one. Where all lines have
    ///   ended with CR LF, they may also be the text of a file, and count only if a header follows, or nothing.
    private func judge(_ bytes: UnsafeRawBufferPointer, lineStart: Int, lineFeed: Int) -> Verdict {
        let hasCR = lineStart < lineFeed
        if hasCR, hasCRLF { return .delimiter(lineStart) }
        var rest = bytes[(lineFeed + 1 + delimiter.count)...]
        let dashes = rest.prefix(2)
        let isFinal = dashes.elementsEqual("--".utf8)
        if !isFinal, dashes.count < 2, "--".utf8.starts(with: dashes) { return isEnded ? .content : .undecided }
        if isFinal { rest = rest.dropFirst(2) }
        rest = rest.dropFirst(rest.prefix(Self.maximumPaddingBytes).prefix { $0 == 0x20 || $0 == 0x09 }.count)
        let lineEnd = rest.prefix(2)
        let isBare = lineEnd.first == UInt8(ascii: "\n")
        let isCRLF = lineEnd.elementsEqual("\r\n".utf8)
        if !isBare, !isCRLF {
            guard "\r\n".utf8.starts(with: lineEnd) else { return .content }
            guard isEnded else { return .undecided }
            guard isFinal else { return .content }
        }
        guard !hasBareLF else { return .delimiter(isCRLF ? lineStart : lineFeed) }
        rest = rest.dropFirst(isBare ? 1 : lineEnd.count)
        if isFinal {
            guard rest.count <= Self.maximumPaddingBytes, rest.allSatisfy({ $0 <= 0x20 }) else { return .content }
            return isEnded ? .delimiter(lineStart) : .undecided
        }
        let header = String(decoding: rest.prefix("content-".utf8.count), as: UTF8.self).lowercased()
        guard isCRLF, "content-".hasPrefix(header) else { return .content }
        if header == "content-" { return .delimiter(lineStart) }
        return isEnded ? .content : .undecided
    }

    /// The boundary of RFC 2046: 1 to 70 characters of a small set, the last one not a space. Clients also use some that
    /// are not in it, as every server takes them.
    private static func boundary(in contentType: String) throws(APIError) -> [UInt8] {
        let value = try HeaderValue(parsing: Array(contentType.utf8))
        guard value.value == "multipart/form-data" else {
            throw APIError(
                status: .unsupportedMediaType,
                code: "not_multipart",
                detail: "Send the files as multipart/form-data."
            )
        }
        guard let boundary = value.parameters["boundary"], (1...70).contains(boundary.count) else {
            throw APIError.badMultipart("The Content-Type has no boundary of 1 to 70 characters.")
        }
        let marks = "'()+_,-./:=? *&#@~".utf8
        let isBoundary = boundary.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"):
                true
            default: marks.contains(byte)
            }
        }
        guard isBoundary, boundary.last != UInt8(ascii: " ") else {
            throw APIError.badMultipart("The boundary has a character that RFC 2046 does not allow.")
        }
        return boundary
    }
}

extension APIError {
    static func badMultipart(_ detail: String) -> APIError { .badRequest("bad_multipart", detail) }

    fileprivate static let afterBoundary = badMultipart(
        "A boundary is not followed by CR LF. The bytes of a file must not contain the boundary."
    )
}
