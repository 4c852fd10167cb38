import HTTPTypes
import NIOCore

@testable import API

/// What is promised about multipart bodies. An input is the value of `Content-Type`, a line break, and the body.
enum MultipartPromises {
    private enum Event: Equatable {
        case began(MultipartHeaders)
        case bytes([UInt8])
        case ended
        case finished
        /// With its code.
        case refused(String)
    }

    private struct Part: Equatable {
        let headers: MultipartHeaders
        var bytes: [UInt8] = []
    }

    /// Longest body that is also read byte by byte.
    private static let drippedBytes = 400

    static func check(_ input: [UInt8]) throws(BrokenPromise) {
        let (line, body) = input.firstLine
        let contentType = String(decoding: line, as: UTF8.self)
        let whole = try events(in: body, of: contentType)
        let parts = try parts(whole, of: body)
        var random = SeededRandom(input: input)
        var ways = [1, 2, 3, 12].map { count in
            (0..<count).map { _ in Int.random(in: 0...body.count, using: &random) }.sorted()
        }
        if body.count <= drippedBytes { ways.append(Array(body.indices)) }
        for cuts in ways {
            let other = try events(in: body, cutAt: cuts, of: contentType)
            try require(other == whole, "cut at \(cuts) it reads \(other), whole \(whole)")
        }
        if let parts { try checkRoundTrip(parts) }
    }

    /// What the reader gives for a body, with the bytes of a part in one.
    private static func events(in body: [UInt8], cutAt cuts: [Int] = [], of contentType: String) throws(BrokenPromise)
        -> [Event]
    {
        var events: [Event] = []
        do throws(APIError) {
            var reader = try MultipartReader(contentType: contentType)
            var start = 0
            for end in cuts + [body.count] {
                reader.feed(ByteBuffer(bytes: body[start..<end]))
                start = end
                try take(&reader, into: &events)
            }
            reader.end()
            try take(&reader, into: &events)
        } catch {
            try require((400..<500).contains(error.status.code), "\(error)")
            events.append(.refused(error.code))
        }
        return events
    }

    private static func take(_ reader: inout MultipartReader, into events: inout [Event]) throws(APIError) {
        while let event = try reader.next() {
            switch event {
            case .partBegan(let headers): events.append(.began(headers))
            case .bytes(let bytes):
                // An event without bytes is kept, and found to be out of place.
                if case .bytes(let before)? = events.last, bytes.readableBytes > 0 {
                    events[events.count - 1] = .bytes(before + bytes.readableBytesView)
                } else {
                    events.append(.bytes(Array(bytes.readableBytesView)))
                }
            case .partEnded: events.append(.ended)
            case .finished: events.append(.finished)
            }
        }
    }

    /// The parts of a body that was read to its end; nil of one that was refused.
    private static func parts(_ events: [Event], of body: [UInt8]) throws(BrokenPromise) -> [Part]? {
        var parts: [Part] = []
        var isOpen = false
        var isFinished = false
        var isRefused = false
        for event in events {
            try require(!isRefused, "something follows the refusal: \(events)")
            switch event {
            case .refused: isRefused = true
            case .began(let headers):
                try require(!isOpen && !isFinished, "a part begins in another, or at the end: \(events)")
                isOpen = true
                parts.append(Part(headers: headers))
            case .bytes(let bytes):
                try require(isOpen && !bytes.isEmpty && parts.last?.bytes.isEmpty == true, "bytes of none: \(events)")
                parts[parts.count - 1].bytes = bytes
            case .ended:
                try require(isOpen, "a part ends that has not begun: \(events)")
                isOpen = false
            case .finished:
                try require(!isOpen && !isFinished, "the end comes in a part: \(events)")
                isFinished = true
            }
        }
        try require(isRefused || isFinished, "neither refused nor read to the end: \(events)")
        let bytes = parts.map(\.bytes.count).reduce(0, +)
        try require(bytes <= body.count, "\(bytes) bytes came out of \(body.count)")
        return isRefused ? nil : parts
    }

    // MARK: - Written again

    /// Parts that are written as browsers write them are read again as the same.
    private static func checkRoundTrip(_ parts: [Part]) throws(BrokenPromise) {
        guard parts.allSatisfy(isWritable) else { return }
        // What ends almost like the boundary of the body itself makes the better contents.
        var boundary = "BB"
        while parts.contains(where: { $0.bytes.has(boundary) }) { boundary += "y" }
        guard boundary.utf8.count <= 70 else { return }
        var body: [UInt8] = []
        for part in parts { body += Array("--\(boundary)\r\n".utf8) + head(part) + part.bytes + Array("\r\n".utf8) }
        body += Array("--\(boundary)--\r\n".utf8)
        let events = try events(in: body, of: "multipart/form-data; boundary=\(boundary)")
        let again = try Self.parts(events, of: body)
        try require(again == parts, "written and read again \(parts) are \(events)")
    }

    private static func head(_ part: Part) -> [UInt8] {
        var head = Array("Content-Disposition: form-data; name=\"".utf8) + quoted(Array(part.headers.name.utf8))
        if let filename = part.headers.filename { head += Array("\"; filename=\"".utf8) + quoted(filename) }
        head += Array("\"\r\n".utf8)
        if let type = part.headers.contentType { head += Array("Content-Type: \(type)\r\n".utf8) }
        return head + Array("\r\n".utf8)
    }

    /// (WHATWG HTML, "multipart/form-data encoding algorithm", and RFC 9110, 5.6.4.)
    private static func quoted(_ text: [UInt8]) -> [UInt8] {
        text.flatMap { byte in
            switch byte {
            case UInt8(ascii: "\""): Array("%22".utf8)
            case UInt8(ascii: "\r"): Array("%0D".utf8)
            case UInt8(ascii: "\n"): Array("%0A".utf8)
            case UInt8(ascii: "\\"): Array("\\\\".utf8)
            default: [byte]
            }
        }
    }

    /// Whether there is one way to write a part's head: the escapes of browsers cannot be escaped themselves.
    private static func isWritable(_ part: Part) -> Bool {
        let names = [Array(part.headers.name.utf8), part.headers.filename ?? []]
        let escapes = ["%22", "%0D", "%0d", "%0A", "%0a", "=?"]
        let isPlain = names.allSatisfy { name in !escapes.contains { name.has($0) } }
        return isPlain && head(part).count <= MultipartReader.maximumHeaderBytes
    }
}
