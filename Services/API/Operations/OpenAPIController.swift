import Crypto
import Foundation
import Hummingbird
import NIOCore

/// `/openapi.json`: what this service answers, for programs and for the people who write them.
struct OpenAPIController: Sendable {
    /// The document: OpenAPI 3.1, built into the program.
    static let document = PackageResources.openapi_json

    private let entityTag = Data(SHA256.hash(data: Self.document)).base64URL

    func get(_ request: Request, context: APIContext) async throws -> Response {
        var response = Response(
            status: .ok,
            headers: [
                .contentType: "application/json", .eTag: "\"\(entityTag)\"", .cacheControl: "no-cache",
            ]
        )
        switch Precondition(request.headers, entityTag: entityTag, modified: nil) {
        case .failed: throw APIError.preconditionFailed
        case .notModified:
            response.status = .notModified
            response.headers[.contentType] = nil
        case .passed: response.body = ResponseBody(byteBuffer: ByteBuffer(bytes: Self.document))
        }
        return response
    }
}
