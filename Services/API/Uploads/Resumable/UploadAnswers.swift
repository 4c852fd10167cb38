import Database
import Foundation
import HTTPTypes
import Hummingbird
import Models
import NIOCore
import NIOHTTPTypes

/// Where an upload is found, as a whole URL: not every client makes one of a path.
struct UploadAddress: Sendable {
    let text: String

    init(_ id: UploadID, _ request: Request) {
        let path = "/v1/uploads/\(id)"
        guard let host = request.head.authority else {
            text = path
            return
        }
        // Whoever ends TLS in front says so; a client that says it itself misleads nobody else.
        text = "\(request.headers[.forwardedProtocol] == "https" ? "https" : "http")://\(host)\(path)"
    }
}

extension UploadDialect {
    /// Runs `body` with the headers of every answer added to what it refuses.
    func marking(_ body: () async throws -> Response) async throws -> Response {
        do {
            return try await body()
        } catch {
            var problem = APIError(mapping: error)
            for field in mark where problem.headers[field.name] == nil { problem.headers[field.name] = field.value }
            throw problem
        }
    }

    /// The answer to a request that has begun an upload.
    func created(_ state: UploadState, at address: UploadAddress, hasBody: Bool, _ limits: UploadLimits) -> Response {
        var headers = mark
        headers[.location] = address.text
        switch self {
        case .tus:
            if hasBody { headers[.uploadOffset] = "\(state.offset)" }
            headers[.uploadExpires] = state.expiresAt.map(HTTPDate.format)
        case .draft:
            headers[.uploadOffset] = "\(state.offset)"
            headers[.uploadLimit] = limit(state, limits)
            headers.append(contentsOf: completeness(state.isComplete))
        }
        return Response(status: .created, headers: headers)
    }

    /// The answer to a request that has gone on with one.
    func appended(_ state: UploadState) -> Response {
        var headers = mark
        headers[.uploadOffset] = "\(state.offset)"
        if self == .tus { headers[.uploadExpires] = state.expiresAt.map(HTTPDate.format) }
        if let asset = state.asset { headers[.contentLocation] = "/v1/assets/\(asset)" }
        headers.append(contentsOf: completeness(state.isComplete))
        switch self {
        case .tus: return Response(status: .noContent, headers: headers)
        // The early drafts ask for 201, the later ones for any success.
        case .draft(let version): return Response(status: version <= 6 ? .created : .noContent, headers: headers)
        }
    }

    /// The answer to a request that has ended one: in the draft it is what sending the file at once would have given.
    func finished(_ response: Response, _ accepted: AcceptedFile) throws -> Response {
        var headers = response.headers
        headers[.contentLocation] = "/v1/assets/\(accepted.asset.id)"
        guard self != .tus else { return Response(status: response.status, headers: headers) }
        headers[.contentLength] = nil
        var answer = try JSONBody.response(accepted.view, status: accepted.isDuplicate ? .ok : .created)
        answer.headers.append(contentsOf: headers)
        return answer
    }

    /// The answer to the question where it stands.
    func standing(_ upload: Upload, _ limits: UploadLimits) -> Response {
        let state = UploadState(upload)
        var headers = mark
        headers[.cacheControl] = "no-store"
        headers[.uploadOffset] = "\(state.offset)"
        headers[.uploadLength] = state.length.map(String.init)
        if let asset = state.asset { headers[.contentLocation] = "/v1/assets/\(asset)" }
        switch self {
        case .tus:
            if state.length == nil { headers[.uploadDeferLength] = "1" }
            headers[.uploadMetadata] = upload.metadata
            headers[.uploadConcat] = upload.concatenation
            headers[.uploadExpires] = state.expiresAt.map(HTTPDate.format)
            return Response(status: .ok, headers: headers)
        case .draft:
            headers[.uploadLimit] = limit(state, limits)
            headers.append(contentsOf: completeness(state.isComplete))
            return Response(status: .noContent, headers: headers)
        }
    }

    /// What a request that begins elsewhere than the upload stands is told.
    func mismatch(_ state: UploadState) -> APIError {
        var headers: HTTPFields = [.uploadOffset: "\(state.offset)"]
        headers.append(contentsOf: completeness(state.isComplete))
        return APIError(
            status: .conflict,
            code: "offset_mismatch",
            detail: "The upload stands at \(state.offset): go on there.",
            headers: headers
        )
    }

    var wrongMediaType: APIError {
        let type = self == .tus ? Self.tusType : Self.draftType
        return .unsupportedMedia("Send what follows with “Content-Type: \(type)”.")
    }

    fileprivate func limit(_ state: UploadState, _ limits: UploadLimits) -> String {
        let size = "max-size=\(limits.fileBytes)"
        guard let expiry = state.expiresAt else { return size }
        return "\(size), max-age=\(max(0, Int(expiry.timeIntervalSinceNow)))"
    }
}

extension UploadWriter {
    /// The writer behind a request. While its body comes, the draft's clients are told how much is safe.
    init(_ context: UserContext, _ dialect: UploadDialect, interim: Bool, knowsUpload: Bool = true) {
        let channel = context.channel
        var progress: @Sendable (Int64) -> Void = { _ in }
        if interim, case .draft(let version) = dialect, version >= 5 {
            progress = { offset in
                var headers = dialect.mark
                headers[.uploadOffset] = "\(offset)"
                Self.send(headers, over: channel)
            }
        }
        self.init(connection: channel, logger: context.logger, knowsUpload: knowsUpload, progress: progress)
    }

    /// Tells a client of the draft, before its body is read, where the upload will be found if the connection breaks.
    func announce(_ address: UploadAddress, _ dialect: UploadDialect, _ state: UploadState, _ limits: UploadLimits) {
        var headers = dialect.mark
        headers[.location] = address.text
        headers[.uploadLimit] = dialect.limit(state, limits)
        Self.send(headers, over: connection)
    }

    private static func send(_ headers: HTTPFields, over channel: any Channel) {
        let status = HTTPResponse.Status(code: 104, reasonPhrase: "Upload Resumption Supported")
        let head = HTTPResponsePart.head(HTTPResponse(status: status, headerFields: headers))
        channel.writeAndFlush(head, promise: nil)
    }
}

extension APIError {
    static let finalUpload = APIError(
        status: .forbidden,
        code: "final_upload",
        detail: "An upload made of parts takes no bytes of its own."
    )

    static let uploadComplete = badRequest(
        "upload_complete",
        "This upload is complete. Ask for it with HEAD or GET to learn what became of it."
    )
}
