import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Metrics
import Models
import NIOCore

/// What every request carries; a signed-in user's carries ``UserContext``.
struct APIContext: ConnectedContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel
    /// In the log, in every problem and in the response's headers.
    var requestID = ""
    /// The client's address, from the proxy's header only if the proxy is trusted.
    var clientAddress = ""
    var user: User?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}

/// What a request carries once its sender is known.
struct UserContext: ChildRequestContext, ConnectedContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel
    let user: User
    /// Nil where the request takes none, or takes it itself.
    var turn: Turn?

    var company: CompanyID { user.company }

    init(context: APIContext) throws {
        guard let user = context.user else { throw APIError.unauthenticated }
        coreContext = context.coreContext
        channel = context.channel
        self.user = user
    }

    /// - Throws: `forbidden` unless the user may change things.
    func requireWrite() throws(APIError) {
        guard user.role.mayWrite else { throw .forbidden }
    }

    /// The id in the path. Throws `not_found` for a malformed id, as for one nobody has.
    func id<Subject>(_ what: String, of _: Subject.Type) throws(APIError) -> Identifier<Subject> {
        guard let text = parameters.get("id"), let id = Identifier<Subject>(text) else { throw .notFound(what) }
        return id
    }
}

/// A context that knows its connection, so that a handler decides when the client may send the body.
protocol ConnectedContext: RequestContext {
    var channel: any Channel { get }

    /// Waits for the request's turn: its body is here, and the work begins.
    func beginWork() async throws(APIError)
}

extension UserContext {
    func beginWork() async throws(APIError) { try await turn?.begin() }
}

extension ConnectedContext {
    func beginWork() async throws(APIError) {}

    /// Answers `Expect: 100-continue`: everything that could refuse the request without its body has been checked.
    func acceptBody(of request: Request) {
        // Each event passes every handler of the connection.
        guard request.headers[.expect] != nil else { return }
        channel.triggerUserOutboundEvent(ExpectContinueHandler.BodyWanted(), promise: nil)
    }

    /// As `acceptBody`, for an upload: it may arrive in large pieces as long as its reader reports what it has taken.
    func acceptUpload(_ request: Request) {
        channel.triggerUserOutboundEvent(UploadBackpressureHandler.UploadBegan(), promise: nil)
        acceptBody(of: request)
    }

    /// Reports bytes of an upload as taken, so that as many more may arrive.
    func takeUpload(_ bytes: Int) {
        channel.triggerUserOutboundEvent(UploadBackpressureHandler.BytesTaken(count: bytes), promise: nil)
    }
}

/// Gives every request its id, turns every error into a problem, lets pages of other origins in that may come, counts the
/// request and writes one line of access log.
struct RequestMiddleware: RouterMiddleware {
    typealias Context = APIContext

    let address: PublicAddress
    let crossOrigin: CrossOrigin
    private let watch = PublicURLWatch()

    init(address: PublicAddress, crossOrigin: CrossOrigin) {
        self.address = address
        self.crossOrigin = crossOrigin
    }

    @concurrent func handle(
        _ request: Request,
        context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.requestID = Self.requestID(request.headers[.requestID])
        context.clientAddress = clientAddress(request, context)
        // The framework's own number says less than the id the proxy and the client know.
        context.logger[metadataKey: "hb.request.id"] = nil
        context.logger[metadataKey: "request_id"] = "\(context.requestID)"
        let started = ContinuousClock.now
        var response: Response
        do {
            response =
                if let answer = crossOrigin.preflight(request) { answer } else { try await next(request, context) }
        } catch {
            let problem = APIError(mapping: error)
            if problem.status.code >= 500 {
                context.logger.error(
                    "A request failed",
                    metadata: ["code": "\(problem.code)", "cause": "\(problem.cause ?? problem.detail)"]
                )
            }
            response = problem.response(requestID: context.requestID)
        }
        // What a refusal says would be taken for the next response of the connection (RFC 9110, 9.3.2).
        if request.method == .head { response = response.createHeadResponse() }
        crossOrigin.mark(&response, to: request)
        addPrefix(to: &response, of: request)
        response.headers[.requestID] = context.requestID
        response.headers[.xContentTypeOptions] = "nosniff"
        record(request, response, context, seconds: (ContinuousClock.now - started) / .seconds(1))
        return response
    }

    /// Our own proxy wrote the header's last address; the client may have forged those before it.
    private func clientAddress(_ request: Request, _ context: APIContext) -> String {
        let forwarded = address.trustsProxy ? request.headers[.forwardedFor]?.split(separator: ",").last : nil
        return forwarded?.trimmingCharacters(in: .whitespaces) ?? context.channel.remoteAddress?.ipAddress ?? ""
    }

    /// Lets addresses in headers stand below the prefix that clients know the API by.
    private func addPrefix(to response: inout Response, of request: Request) {
        let prefix = address.prefix(for: request)
        guard !prefix.isEmpty else { return }
        for name in [HTTPField.Name.location, .contentLocation] {
            if let path = response.headers[name], path.hasPrefix("/") { response.headers[name] = prefix + path }
        }
    }

    /// The proxy's or client's id if it is safe to log; otherwise a new one.
    static func requestID(_ given: String?) -> String {
        if let given, (1...64).contains(given.utf8.count), given.utf8.allSatisfy(loggedBytes.contains) { return given }
        return Identifier<Request>.new().description
    }

    private static let loggedBytes = Set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._".utf8)

    private func record(_ request: Request, _ response: Response, _ context: APIContext, seconds: Double) {
        let status = response.status.code
        let route = context.endpointPath ?? "none"
        Counter(
            label: "tolva_http_requests_total",
            dimensions: [("method", request.method.rawValue), ("route", route), ("status", "\(status)")]
        ).increment()
        Metrics.Timer(label: "tolva_http_request_seconds", dimensions: [("route", route)])
            .recordNanoseconds(Int64(seconds * 1e9))
        // Probes come every few seconds and would bury everything else; and they ask the process itself.
        let isProbe = route.hasPrefix("/health") || route == "/metrics"
        if let configured = address.configured, !isProbe {
            watch.note(address.contradictions(in: request), to: configured, logger: context.logger)
        }
        let level: Logger.Level = isProbe ? .debug : .info
        context.logger.log(
            level: level,
            "request",
            metadata: [
                "method": "\(request.method)", "path": "\(request.uri.path)", "status": "\(status)",
                "bytes_in": "\(request.headers[.contentLength] ?? "")",
                "bytes_out": "\(response.body.contentLength.map(String.init) ?? "")",
                "ms": "\(Int((seconds * 1000).rounded()))",
                "client": "\(context.clientAddress)",
            ]
        )
    }
}

extension HTTPField.Name {
    /// For names written in the source, which are valid tokens; an invalid one would match no header.
    static func known(_ name: String) -> HTTPField.Name { HTTPField.Name(name) ?? .via }

    static let requestID = known("X-Request-Id")
}
