import NIOCore

@testable import API

/// Builds bodies, and reads them whole.
enum Multipart {
    struct Part: Equatable {
        let headers: MultipartHeaders
        var bytes: [UInt8] = []
    }

    static let boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    static let contentType = "multipart/form-data; boundary=\(boundary)"

    static func reader() throws -> MultipartReader {
        try MultipartReader(contentType: contentType)
    }

    static func body(_ parts: [(disposition: String, type: String?, content: [UInt8])]) -> [UInt8] {
        var body: [UInt8] = []
        for part in parts {
            body += "--\(boundary)\r\nContent-Disposition: form-data; \(part.disposition)\r\n".utf8
            if let type = part.type { body += "Content-Type: \(type)\r\n".utf8 }
            body += Array("\r\n".utf8) + part.content + Array("\r\n".utf8)
        }
        return body + Array("--\(boundary)--\r\n".utf8)
    }

    /// Everything a search may stumble over: beginnings of the delimiter in all lengths, at the start, in a row and
    /// at the end.
    static let nastyContents: [[UInt8]] = {
        let delimiter = Array("\r\n--\(boundary)".utf8)
        let beginnings = (0..<delimiter.count).flatMap { Array(delimiter.prefix($0)) }
        return [
            [],
            Array("\r\n".utf8),
            beginnings,
            Array("--".utf8) + Array(boundary.utf8.dropLast()),
            Array("\r\r\n\r\n\r\n-\r\n--".utf8),
            [0, 255, 13, 10, 13],
            Array(delimiter.dropLast()),
            Array("--\(boundary)--".utf8.dropFirst()),
        ]
    }()

    static let nasty = body(
        nastyContents.enumerated().map { ("name=\"f\($0)\"; filename=\"\($0);\\\"x\\\".jpg\"", "image/jpeg", $1) }
    )

    /// Reads a whole body, cut at the given offsets.
    static func parse(
        _ body: [UInt8],
        cuts: [Int] = [],
        contentType: String = Self.contentType
    ) throws -> [Part] {
        var reader = try MultipartReader(contentType: contentType)
        var parts: [Part] = []
        var ended = 0
        var finished = false
        var start = 0
        for end in cuts + [body.count, nil] {
            if let end {
                reader.feed(ByteBuffer(bytes: body[start..<end]))
                start = end
            } else {
                reader.end()
            }
            while let event = try reader.next() {
                switch event {
                case .partBegan(let headers): parts.append(Part(headers: headers))
                case .bytes(let bytes): parts[parts.count - 1].bytes += bytes.readableBytesView
                case .partEnded: ended += 1
                case .finished: finished = true
                }
            }
        }
        precondition(finished && ended == parts.count, "every part that begins ends")
        return parts
    }

    static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// The code of the error that is thrown; nil if none is.
    static func code(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return APIError(mapping: error).code
        }
    }
}
