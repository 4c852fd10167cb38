import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOFoundationCompat

/// How JSON is read and written: snake_case names, RFC 3339 times in UTC.
enum JSONBody {
    /// More than any request of this API needs.
    static let maximumBytes = 1 << 20

    static func response(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
        Response(status: status, headers: [.contentType: "application/json"], body: encode(value))
    }

    static func encode(_ value: some Encodable) -> ResponseBody {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
        }
        do {
            return ResponseBody(byteBuffer: ByteBuffer(data: try encoder.encode(value)))
        } catch {
            preconditionFailure("a value of this API does not encode: \(error)")
        }
    }

    /// Reads a request's body.
    static func decode<Value: Decodable>(
        _ type: Value.Type,
        from request: Request,
        _ context: some ConnectedContext
    ) async throws -> Value {
        if let type = request.headers[.contentType], !type.lowercased().hasPrefix("application/json") {
            throw APIError.unsupportedMedia("Send JSON with “Content-Type: application/json”.")
        }
        if let length = request.headers[.contentLength].flatMap(Int.init), length > maximumBytes { throw tooLarge }
        context.acceptBody()
        var body = ByteBuffer()
        for try await chunk in request.body {
            guard body.readableBytes + chunk.readableBytes <= maximumBytes else { throw tooLarge }
            body.writeImmutableBuffer(chunk)
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(Value.self, from: Data(buffer: body))
        } catch let error as DecodingError {
            throw APIError.badRequest("bad_json", error.explanation)
        }
    }

    private static let tooLarge = APIError.tooLarge("body_too_large", "A JSON body may have 1 MiB at most.")
}

extension DecodingError {
    /// What to mend, in the names the client used.
    fileprivate var explanation: String {
        func path(_ context: Context) -> String {
            context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
        }
        switch self {
        case .keyNotFound(let key, let context):
            let name = (context.codingPath + [key]).map(\.stringValue).joined(separator: ".")
            return "The field “\(name)” is missing."
        case .valueNotFound(_, let context): return "The field “\(path(context))” may not be null."
        case .typeMismatch(_, let context): return "The field “\(path(context))” has the wrong type."
        case .dataCorrupted(let context) where !context.codingPath.isEmpty:
            return "The field “\(path(context))” has a value that is not allowed."
        default: return "The body is not valid JSON."
        }
    }
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
