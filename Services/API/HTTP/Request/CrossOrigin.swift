import HTTPTypes
import Hummingbird

/// Lets pages of other origins call the API (CORS, as the Fetch standard has it). They send their token as a header: no
/// cookie of this API is ever theirs to send.
struct CrossOrigin: Sendable {
    /// As browsers write them in `Origin`.
    let origins: Set<String>

    /// The answer to a browser that asks, before a request, whether it may be sent; nil for any other request.
    func preflight(_ request: Request) -> Response? {
        guard request.method == .options, request.headers[.accessControlRequestMethod] != nil, allows(request) else {
            return nil
        }
        return Response(
            status: .noContent,
            headers: [
                .accessControlAllowMethods: Self.methods, .accessControlAllowHeaders: Self.requestHeaders,
                .accessControlMaxAge: "\(Self.secondsRemembered)",
            ]
        )
    }

    /// Lets the page that sent the request read the response, a refusal too.
    func mark(_ response: inout Response, to request: Request) {
        guard !origins.isEmpty else { return }
        response.headers[.vary] = [response.headers[.vary], "Origin"].compactMap(\.self).joined(separator: ", ")
        guard allows(request) else { return }
        response.headers[.accessControlAllowOrigin] = request.headers[.origin]
        response.headers[.accessControlExposeHeaders] = Self.responseHeaders
    }

    private func allows(_ request: Request) -> Bool {
        request.headers[.origin].map(origins.contains) ?? false
    }

    /// Browsers keep an answer no longer than two hours.
    private static let secondsRemembered = 7200
    private static let methods = "GET, HEAD, POST, PUT, PATCH, DELETE"
    private static let requestHeaders = [
        "Authorization", "Content-Type", "Content-Disposition", "Content-Digest", "Repr-Digest", "Idempotency-Key",
        "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range",
        "X-Request-Id", "X-Requested-With", "X-HTTP-Method-Override", "Tus-Resumable", "Upload-Checksum",
        "Upload-Complete", "Upload-Concat", "Upload-Defer-Length", "Upload-Draft-Interop-Version", "Upload-Incomplete",
        "Upload-Length", "Upload-Metadata", "Upload-Offset",
    ].joined(separator: ", ")
    private static let responseHeaders = [
        "Location", "Content-Location", "Content-Disposition", "Content-Length", "Content-Range", "Accept-Ranges",
        "ETag", "Retry-After", "X-Request-Id", "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size",
        "Tus-Checksum-Algorithm", "Upload-Complete", "Upload-Concat", "Upload-Defer-Length",
        "Upload-Draft-Interop-Version", "Upload-Expires", "Upload-Incomplete", "Upload-Length", "Upload-Limit",
        "Upload-Metadata", "Upload-Offset",
    ].joined(separator: ", ")
}
