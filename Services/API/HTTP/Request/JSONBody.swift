import Blocking
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOFoundationCompat

/// How JSON is read and written: snake_case names, RFC 3339 times in UTC.
enum JSONBody {
    /// More than almost any request of this API needs: 200 attributes, one of them as long as a cell of a workbook. A page
    /// of 200 items lies in memory as a whole, so each has to be small.
    static let maximumBytes = 64 << 10
    /// Nesting of arrays and objects. Decoding time grows with its square, and the encoder refuses depths the decoder
    /// takes.
    static let maximumDepth = 32
    /// Characters of one number: far more than any that means something. Foundation's decoder ends the process at certain
    /// valid numbers of more than twice as many.
    static let maximumNumberLength = 64

    /// For what may be long: on the threads that serve requests, reading or writing it would hold up all of them.
    private static let threads = BlockingThreads(name: "json", count: 2)
    /// Of a body that is read at once, without another thread.
    private static let shortBytes = 4 << 10

    /// `{"items": […], "next_cursor": null}`; a list may be long, so each row is written by itself.
    static func response<Row: Encodable & Sendable>(
        listing rows: [Row],
        as name: String,
        nextCursor: String?
    ) async throws -> Response {
        let body = try await threads.run {
            let encoder = encoder(for: Row.self)
            var body = Data(#"{"\#(name)":["#.utf8)
            for (index, row) in rows.enumerated() {
                if index > 0 { body.append(UInt8(ascii: ",")) }
                body.append(try encode(row, with: encoder))
            }
            body.append(Data(#"],"next_cursor":\#(nextCursor.map { #""\#($0)""# } ?? "null")}"#.utf8))
            return ByteBuffer(data: body)
        }
        return response(of: body)
    }

    static func response(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        response(of: try encode(value), status: status)
    }

    /// Of what may have hundreds of parts.
    static func response(
        long value: some Encodable & Sendable,
        status: HTTPResponse.Status = .ok
    ) async throws -> Response {
        response(of: try await threads.run { try encode(value) }, status: status)
    }

    static func encode<Value: Encodable>(_ value: Value) throws -> ByteBuffer {
        ByteBuffer(data: try encode(value, with: encoder(for: Value.self)))
    }

    private static func response(of body: ByteBuffer, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: body)
        )
    }

    private static func encoder(for type: (some Encodable).Type) -> JSONEncoder {
        let encoder = JSONEncoder()
        if !(type is any NamedForClients.Type) { encoder.keyEncodingStrategy = .convertToSnakeCase }
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
        }
        return encoder
    }

    private static func encode(_ value: some Encodable, with encoder: JSONEncoder) throws -> Data {
        let fields = try encoder.encode(value)
        guard let field = (value as? any PartlyWritten)?.written else { return fields }
        return Data(#"{"\#(field.name)":\#(field.json),"#.utf8) + fields.dropFirst()
    }

    /// Lets the client send the body, and reads it: at most `limit` bytes, and if there are none, `empty`. Throws
    /// `bad_json`, `body_too_large`, `unsupported_media_type`.
    static func decode<Value: Decodable & Sendable>(
        _ type: Value.Type,
        from request: Request,
        _ context: some ConnectedContext,
        most limit: Int = maximumBytes,
        ifEmpty empty: Value? = nil
    ) async throws -> Value {
        guard request.headers[.contentEncoding] == nil else {
            throw APIError.unsupportedMedia("Send JSON as it is, without Content-Encoding.")
        }
        if let type = request.headers[.contentType]?.prefix(while: { $0 != ";" }),
            type.trimmingCharacters(in: .whitespaces).lowercased() != "application/json"
        {
            throw APIError.unsupportedMedia("Send JSON with “Content-Type: application/json”.")
        }
        if let length = request.headers[.contentLength].flatMap(Int.init), length > limit { throw tooLarge(limit) }
        context.acceptBody(of: request)
        var body = ByteBuffer()
        for try await chunk in request.body {
            guard body.readableBytes + chunk.readableBytes <= limit else { throw tooLarge(limit) }
            body.writeImmutableBuffer(chunk)
        }
        try await context.beginWork()
        if let empty, body.readableBytes == 0 { return empty }
        guard body.readableBytes > shortBytes else { return try read(type, from: body) }
        return try await threads.run { [body] in try read(type, from: body) }
    }

    private static func read<Value: Decodable>(_ type: Value.Type, from body: ByteBuffer) throws -> Value {
        guard let shape = shape(of: body) else { throw APIError.badRequest("bad_json", "The body is not UTF-8.") }
        guard shape.depth <= maximumDepth else {
            throw APIError.badRequest("bad_json", "The body has more than \(maximumDepth) levels. Send a flatter one.")
        }
        guard shape.longestNumber <= maximumNumberLength else {
            throw APIError.badRequest(
                "bad_json",
                "The body has a number of more than \(maximumNumberLength) characters. Send it as a text."
            )
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(Value.self, from: Data(buffer: body))
        } catch let error as DecodingError {
            throw APIError.badRequest("bad_json", error.explanation)
        }
    }

    /// What a body has that decoding it could not bear, found without decoding.
    struct Shape: Equatable {
        /// Of arrays and objects in one another.
        var depth = 0
        /// Characters of the longest number.
        var longestNumber = 0
    }

    /// Nil for UTF-16 and UTF-32, which the decoder would take and which always hold a NUL.
    static func shape(of body: ByteBuffer) -> Shape? {
        var shape = Shape()
        var depth = 0
        var number = 0
        var isText = false
        var isEscaped = false
        for byte in body.readableBytesView {
            guard byte != 0 else { return nil }
            if isEscaped {
                isEscaped = false
                continue
            }
            if byte == UInt8(ascii: "\"") { isText.toggle() }
            guard !isText else {
                isEscaped = byte == UInt8(ascii: "\\")
                number = 0
                continue
            }
            switch byte {
            case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            default: break
            }
            number = isOfNumber(byte) ? number + 1 : 0
            shape.depth = max(shape.depth, depth)
            shape.longestNumber = max(shape.longestNumber, number)
        }
        return shape
    }

    private static func isOfNumber(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    private static func tooLarge(_ limit: Int) -> APIError {
        .tooLarge("body_too_large", "The JSON of this call may have \(limit >> 10) KiB at most.")
    }
}

extension DecodingError {
    /// What to correct, in the client's field names.
    fileprivate var explanation: String {
        func name(_ path: [any CodingKey]) -> String {
            path.map { $0.intValue.map(String.init) ?? $0.stringValue.snakeCase }.joined(separator: ".")
        }
        func path(_ context: Context) -> String { name(context.codingPath) }
        switch self {
        case .keyNotFound(let key, let context):
            return "The field “\(name(context.codingPath + [key]))” is missing."
        case .valueNotFound(_, let context): return "The field “\(path(context))” may not be null."
        case .typeMismatch(_, let context): return "The field “\(path(context))” has the wrong type."
        case .dataCorrupted(let context) where !context.codingPath.isEmpty:
            return "The field “\(path(context))” has a value that is not allowed."
        default: return "The body is not valid JSON."
        }
    }
}

extension String {
    /// `itemIds` as clients write it: `item_ids`.
    fileprivate var snakeCase: String {
        reduce(into: "") { name, letter in name += letter.isUppercase ? "_" + letter.lowercased() : String(letter) }
    }
}

/// What has many fields and is in long lists: its coding keys are the names that clients know, since making these of ours
/// takes as long as all the rest.
protocol NamedForClients: Encodable, Sendable {}

/// An object with at least one field, of which one more is JSON already. It stands before the others, which is its place
/// in the order of names as long as no other's name is smaller.
protocol PartlyWritten: Encodable, Sendable {
    var written: WrittenField { get }
}

/// A field's name as clients know it, and its value as valid JSON.
struct WrittenField: Sendable {
    let name: String
    let json: String
}

/// A field that is written as `null` rather than left out, so that every asset has the same fields.
@propertyWrapper
struct Nullable<Wrapped: Encodable & Sendable>: Encodable, Sendable {
    var wrappedValue: Wrapped?

    init(wrappedValue value: Wrapped?) {
        wrappedValue = value
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue {
            try container.encode(wrappedValue)
        } else {
            try container.encodeNil()
        }
    }
}
