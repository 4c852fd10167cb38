import HTTPTypes
import Hummingbird
import Models
import Telemetry

/// The map of URLs: the way into this service. `Operations/openapi.json` says what each call takes and gives.
struct Routes {
    var authentication: any MiddlewareProtocol<Request, Response, APIContext>
    let sessions: SessionController
    let items: ItemController
    let uploads: UploadController
    let uploadCheck: UploadCheckController
    let resumable: ResumableController
    let assets: AssetController
    let exports: ExportController
    let turns: Turns<UserID>
    let readiness: Readiness
    let address: PublicAddress
    let crossOrigin: CrossOrigin

    /// What anybody may call, beside the health routes every service has and the files of the page.
    static let open: [Call<APIContext>] = [
        Call(.get, "/openapi.json", .anybody) { _ in StaticFile.openAPI.get },
        Call(.post, "/v1/sessions", .anybody) { $0.sessions.open },
        Call(.options, "/v1/uploads", .anybody) { $0.resumable.options },
    ]

    /// What a signed-in user may call, and the role it takes.
    static let signedIn: [Call<UserContext>] = [
        Call(.delete, "/v1/sessions", .viewer) { $0.sessions.close },

        Call(.get, "/v1/items", .viewer) { $0.items.list },
        Call(.post, "/v1/items", .member) { $0.items.create },
        Call(.get, "/v1/items/{id}", .viewer) { $0.items.get },
        Call(.patch, "/v1/items/{id}", .member) { $0.items.update },
        Call(.delete, "/v1/items/{id}", .member) { $0.items.delete },

        Call(.post, "/v1/items/{id}/assets", .member, .transfer) { $0.uploads.toItem },
        Call(.put, "/v1/items/{id}/assets/{filename}", .member, .transfer) { $0.uploads.fileToItem },
        Call(.post, "/v1/documents", .member, .transfer) { $0.uploads.toCompany },
        Call(.put, "/v1/documents/{filename}", .member, .transfer) { $0.uploads.fileToCompany },
        Call(.post, "/v1/uploads/check", .viewer) { $0.uploadCheck.check },
        Call(.post, "/v1/uploads", .memberByHandler, .transfer) { $0.resumable.create },
        Call(.head, "/v1/uploads/{id}", .memberByHandler, .transfer) { $0.resumable.head },
        Call(.get, "/v1/uploads/{id}", .member) { $0.resumable.get },
        Call(.patch, "/v1/uploads/{id}", .memberByHandler, .transfer) { $0.resumable.append },
        Call(.delete, "/v1/uploads/{id}", .memberByHandler, .transfer) { $0.resumable.cancel },
        Call(.post, "/v1/uploads/{id}", .memberByHandler, .transfer) { $0.resumable.override },

        Call(.get, "/v1/assets", .viewer) { $0.assets.list },
        Call(.get, "/v1/assets/{id}", .viewer) { $0.assets.get },
        Call(.delete, "/v1/assets/{id}", .member) { $0.assets.delete },
        Call(.get, "/v1/assets/{id}/content", .viewer, .transfer) { $0.assets.content },
        Call(.get, "/v1/assets/{id}/renditions/{name}", .viewer, .transfer) { $0.assets.rendition },
        Call(.post, "/v1/assets/{id}/retry", .member) { $0.assets.retry },

        Call(.get, "/v1/exports", .viewer) { $0.exports.list },
        Call(.post, "/v1/exports", .member) { $0.exports.create },
        Call(.get, "/v1/exports/{id}", .viewer) { $0.exports.get },
        Call(.delete, "/v1/exports/{id}", .member) { $0.exports.delete },
        Call(.post, "/v1/exports/{id}/retry", .member) { $0.exports.retry },
        Call(.get, "/v1/exports/{id}/parts/{number}/content", .viewer, .transfer) { $0.exports.content },
        Call(.post, "/v1/exports/{id}/parts/{number}/tickets", .viewer) { $0.exports.ticket },
    ]

    func responder() -> RouterResponder<APIContext> {
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: RequestMiddleware(address: address, crossOrigin: crossOrigin))
        router.addHealthRoutes(readiness: readiness)
        for (path, file) in StaticFile.pages { router.get(RouterPath(path), use: file.get) }
        for call in Self.open { router.on(RouterPath(call.path), method: call.method, use: call.handler(self)) }
        let user = router.group().add(middleware: authentication).group(context: UserContext.self)
        for call in Self.signedIn {
            let handler = call.handler(self)
            user.on(RouterPath(call.path), method: call.method) { request, context in
                if call.access == .member { try context.requireWrite() }
                guard call.length == .short else {
                    guard request.hasLongBody else { return try await handler(request, context) }
                    // Taken on one thread while the connection's reads on.
                    return try await withTaskExecutorPreference(globalConcurrentExecutor) {
                        try await handler(request, context)
                    }
                }
                let turn = turns.turn(of: context.user.id)
                defer { turn.end() }
                var context = context
                context.turn = turn
                // With a body it comes when that is here.
                if ![.post, .patch].contains(call.method) { try await turn.begin() }
                return try await handler(request, context)
            }
        }
        router.refuseOtherMethods()
        return router.buildResponder()
    }
}

/// One line of the map of URLs: a method, a path, who may call, and who answers.
struct Call<Context: RequestContext>: Sendable {
    typealias Handler = @Sendable (Request, Context) async throws -> Response

    let method: HTTPRequest.Method
    let path: String
    let access: Access
    let length: CallLength
    let handler: @Sendable (Routes) -> Handler

    init(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ access: Access,
        _ length: CallLength = .short,
        handler: @escaping @Sendable (Routes) -> Handler
    ) {
        self.method = method
        self.path = path
        self.access = access
        self.length = length
        self.handler = handler
    }
}

extension Request {
    /// Whether taking the body costs more than changing threads for it; one whose length nobody knows may be long.
    fileprivate var hasLongBody: Bool {
        [.post, .put, .patch].contains(method) && headers[.contentLength].flatMap { Int64($0) } ?? .max > 1 << 20
    }
}

enum Access {
    /// No sign-in needed.
    case anybody
    case viewer
    case member
    /// A member too; but the handler itself refuses others, with the headers of the client's upload protocol.
    case memberByHandler
}

enum CallLength {
    /// Work of a moment, which the caller's requests do in turn.
    case short
    /// As long as its client takes to send or fetch a file.
    case transfer
}

extension Router {
    /// Answers every path that is known, asked for with a method it does not have, with 405 and `Allow`
    /// (RFC 9110, 15.5.6). It comes after the last route.
    fileprivate func refuseOtherMethods() {
        for (path, known) in Dictionary(grouping: routes, by: \.path.description) {
            var methods = Set(known.map(\.method))
            if methods.contains(.get) { methods.insert(.head) }
            let refusal = APIError.methodNotAllowed(methods.map(\.rawValue).sorted())
            for method in Self.methods where !methods.contains(method) {
                on(RouterPath(path), method: method) { _, _ -> Response in throw refusal }
            }
        }
    }

    private static var methods: [HTTPRequest.Method] {
        [.get, .head, .post, .put, .patch, .delete, .options, .trace] + [HTTPRequest.Method("QUERY")].compactMap(\.self)
    }
}
