import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// A file built into the program: small, and the same for everybody.
struct StaticFile: Sendable {
    private let bytes: ByteBuffer
    private let headers: HTTPFields
    private let entityTag: String

    init(_ bytes: [UInt8], _ contentType: String) {
        self.bytes = ByteBuffer(bytes: bytes)
        entityTag = Data(SHA256.hash(data: bytes)).base64URL
        headers = [
            .contentType: contentType,
            .eTag: "\"\(entityTag)\"",
            // A new version of the program brings new files under the same names: they are asked for each time.
            .cacheControl: "no-cache",
            .contentSecurityPolicy: Self.policy,
            .referrerPolicy: "no-referrer",
        ]
    }

    /// Nothing but our own files runs or shows. `blob:` is media the script has fetched with the user's token;
    /// a form is never sent by the browser itself, which would put a password into an address.
    private static let policy =
        "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'"

    func response(to request: Request) throws(APIError) -> Response {
        switch Precondition(request.headers, entityTag: entityTag, modified: nil) {
        case .failed: throw .preconditionFailed
        case .notModified:
            var headers = headers
            headers[.contentType] = nil
            return Response(status: .notModified, headers: headers)
        case .passed: return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: bytes))
        }
    }
}

extension HTTPField.Name {
    fileprivate static let referrerPolicy = HTTPField.Name("Referrer-Policy") ?? .via
}
