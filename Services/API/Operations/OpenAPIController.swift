import Hummingbird

/// `/openapi.json`: what this service answers, for programs and for the people who write them.
struct OpenAPIController: Sendable {
    /// The document: OpenAPI 3.1.
    static let document = PackageResources.openapi_json

    private let file = StaticFile(Self.document, "application/json")

    func get(_ request: Request, context: APIContext) async throws -> Response {
        try file.response(to: request)
    }
}
