import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// A file built into the program: small, and the same for everybody.
struct StaticFile: Sendable {
    private let bytes: ByteBuffer
    private let headers: HTTPFields
    private let entityTag: EntityTag

    init(_ bytes: [UInt8], _ contentType: String) {
        self.bytes = ByteBuffer(bytes: bytes)
        entityTag = EntityTag(Data(SHA256.hash(data: bytes)).base64URL)
        headers = [
            .contentType: contentType,
            .eTag: entityTag.header,
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

    func get(_ request: Request, context: APIContext) async throws -> Response {
        switch Precondition(request.headers, entityTag: entityTag, modified: nil) {
        case .failed: throw APIError.preconditionFailed
        case .notModified:
            var headers = headers
            headers[.contentType] = nil
            return Response(status: .notModified, headers: headers)
        case .passed: return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: bytes))
        }
    }
}

extension StaticFile {
    /// The OpenAPI 3.1 description of this service.
    static let openAPI = StaticFile(PackageResources.openapi_json, "application/json")

    /// The page at `/`. It is public: its script authenticates each call.
    static let pages = [
        "/": StaticFile(PackageResources.index_html, "text/html; charset=utf-8"),
        "/pages/app.css": StaticFile(PackageResources.app_css, "text/css; charset=utf-8"),
        "/pages/icon.svg": StaticFile(PackageResources.icon_svg, "image/svg+xml"),

        "/pages/app.js": script(PackageResources.app_js),
        "/pages/cards.js": script(PackageResources.cards_js),
        "/pages/export-row.js": script(PackageResources.export_row_js),
        "/pages/exports.js": script(PackageResources.exports_js),
        "/pages/gallery.js": script(PackageResources.gallery_js),
        "/pages/items.js": script(PackageResources.items_js),
        "/pages/new-export.js": script(PackageResources.new_export_js),
        "/pages/page.js": script(PackageResources.page_js),
        "/pages/poll.js": script(PackageResources.poll_js),
        "/pages/rows.js": script(PackageResources.rows_js),
        "/pages/sending.js": script(PackageResources.sending_js),
        "/pages/server.js": script(PackageResources.server_js),
        "/pages/texts.js": script(PackageResources.texts_js),
        "/pages/viewer.js": script(PackageResources.viewer_js),
    ]

    private static func script(_ bytes: [UInt8]) -> StaticFile { StaticFile(bytes, "text/javascript; charset=utf-8") }
}

extension HTTPField.Name {
    fileprivate static let referrerPolicy = known("Referrer-Policy")
}
