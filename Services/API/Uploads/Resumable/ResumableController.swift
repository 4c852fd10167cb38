import Database
import Foundation
import HTTPTypes
import Hummingbird
import Models
import Repositories
import Storage

/// `/v1/uploads`: tus 1.0 and the IETF's resumable uploads, on the same addresses.
///
/// An upload belongs to a company, as the asset it becomes does: whoever may write in it may go on with it.
struct ResumableController: Sendable {
    let uploads: ResumableUploads
    let ending: UploadEnd
    let items: ItemRepository
    let assets: AssetRepository
    let limits: UploadLimits
    /// Whether clients reach this process directly. nginx 1.22 takes an interim answer of ours for the final one: the
    /// client then hears nothing more until a timeout. Behind a proxy none is sent, so a client that speaks the draft
    /// learns its upload's address only from the final answer, or begins it without bytes (`Upload-Complete: ?0`).
    let sendsInterim: Bool

    /// `POST /v1/uploads`
    func create(_ request: Request, context: UserContext) async throws -> Response {
        guard let dialect = try UploadDialect(request.headers) else { throw APIError.noTusVersion }
        return try await dialect.marking {
            try context.requireWrite()
            var new = try NewUpload(request, speaking: dialect)
            let promise = try BodyPromise(request.headers)
            new.promised = promise.whole
            if new.role == .final {
                let parts = try Concatenation(new.concatenation ?? "")
                new.length = try await parts.length(in: context.company, uploads.uploads)
                return try await concatenate(parts, new, request, context, dialect)
            }
            // A body of another type belongs to the request's transport, not to the upload.
            let hasBody = dialect != .tus || request.headers.mediaType == UploadDialect.tusType
            let body = hasBody ? try request.headers.bytes(.contentLength, orThrow: "bad_length") : nil
            try await admit(new, bytes: new.length ?? body, request, context)
            let address = UploadAddress(new.id, request)
            let interim = sendsInterim(to: request)
            // Without a body nothing can break before the answer.
            let announces = interim && dialect != .tus && request.headers[.contentLength] != "0"
            let writer = UploadWriter(context, dialect, interim: interim, knowsUpload: announces)
            let hold = try await uploads.begin(
                new,
                expecting: new.length ?? body,
                upTo: limits.fileBytes,
                in: context.company,
                by: context.user.id,
                writer: writer
            )
            if announces { writer.announce(address, dialect, UploadState(hold), limits) }
            return try await write(to: hold, request, context, dialect, hasBody: hasBody, promise) { state in
                dialect.created(state, at: address, hasBody: hasBody, limits)
            }
        }
    }

    /// `PATCH /v1/uploads/{id}`
    func append(_ request: Request, context: UserContext) async throws -> Response {
        guard let dialect = try UploadDialect(request.headers) else { throw APIError.noTusVersion }
        return try await dialect.marking {
            try context.requireWrite()
            let id = try context.id("upload", of: Upload.self)
            guard dialect.takes(request.headers.mediaType) else { throw dialect.wrongMediaType }
            guard let offset = try request.headers.bytes(.uploadOffset, orThrow: "bad_offset") else {
                throw APIError.badRequest("bad_offset", "Say with Upload-Offset where the body begins.")
            }
            let promise = try BodyPromise(request.headers)
            let writer = UploadWriter(context, dialect, interim: sendsInterim(to: request))
            guard let hold = try await uploads.take(id, in: context.company, writer: writer) else {
                return try await repeated(id, offset, context, dialect)
            }
            do {
                try declare(hold, offset, request, dialect)
            } catch {
                await uploads.release(hold)
                throw error
            }
            return try await write(to: hold, request, context, dialect, hasBody: true, promise) { state in
                dialect.appended(state)
            }
        }
    }

    /// `HEAD /v1/uploads/{id}`: where the upload stands. Whoever is writing it stops first, so that the answer is still
    /// true when the client goes on.
    func standing(_ request: Request, context: UserContext) async throws -> Response {
        let said = try UploadDialect(request.headers)
        return try await (said ?? .tus).marking {
            let upload = try await find(context)
            let dialect = try said ?? UploadDialect(to: upload.dialect)
            if upload.asset == nil, upload.holder != nil || upload.isOver {
                let writer = UploadWriter(context, dialect, interim: false)
                if let hold = try await uploads.take(upload.id, in: context.company, writer: writer) {
                    try await releasing(hold) {
                        // What is missing is not the client's to send.
                        if hold.upload.isOver { try await finish(hold, context) }
                    }
                }
            }
            return dialect.standing(try await find(context), limits)
        }
    }

    /// `GET /v1/uploads/{id}`: the same for people, without disturbing whoever writes it.
    func get(_ request: Request, context: UserContext) async throws -> Response {
        let upload = try await find(context)
        var asset: Asset?
        if let id = upload.asset { asset = try await assets.find(id, in: context.company) }
        return try JSONBody.response(UploadView(upload, asset))
    }

    /// `DELETE /v1/uploads/{id}`: frees its bytes at once. The asset of a finished one stays.
    func cancel(_ request: Request, context: UserContext) async throws -> Response {
        let said = try UploadDialect(request.headers)
        return try await (said ?? .tus).marking {
            try context.requireWrite()
            let upload = try await find(context)
            let dialect = try said ?? UploadDialect(to: upload.dialect)
            let writer = UploadWriter(context, dialect, interim: false)
            if let hold = try await uploads.take(upload.id, in: context.company, writer: writer) {
                try await releasing(hold) { try await uploads.remove(hold) }
            } else {
                try await uploads.uploads.delete(upload.id, in: context.company)
            }
            return Response(status: .noContent, headers: dialect.mark)
        }
    }

    /// `POST /v1/uploads/{id}`: for clients that cannot send other methods.
    func override(_ request: Request, context: UserContext) async throws -> Response {
        switch request.headers[.methodOverride]?.uppercased() {
        case "PATCH": return try await append(request, context: context)
        case "DELETE": return try await cancel(request, context: context)
        case "HEAD": return try await standing(request, context: context)
        default: throw APIError.methodNotAllowed(["DELETE", "GET", "HEAD", "PATCH"])
        }
    }

    /// `OPTIONS /v1/uploads`: what there is; nobody has to sign in to ask.
    func options(_ request: Request, context: APIContext) async throws -> Response {
        Response(
            status: .noContent,
            headers: [
                .tusResumable: "1.0.0",
                .tusVersion: "1.0.0",
                .tusExtension: "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination,"
                    + "concatenation",
                .tusMaxSize: "\(limits.fileBytes)",
                .tusChecksumAlgorithm: TusChecksum.algorithms,
                .acceptPatch: "\(UploadDialect.tusType), \(UploadDialect.draftType)",
                .uploadLimit: "max-size=\(limits.fileBytes)",
            ]
        )
    }

    /// A proxy that says it is there is believed so far, whatever else of it is not.
    private func sendsInterim(to request: Request) -> Bool {
        sendsInterim && request.headers[.forwardedFor] == nil
    }

    private func finish(_ hold: UploadHold, _ context: UserContext) async throws {
        if hold.upload.sha256 == nil { try await UploadAppend(to: hold, limits: limits).sniffWhole() }
        _ = try await ending.finish(hold, logger: context.logger)
    }

    func find(_ context: UserContext) async throws -> Upload {
        let id = try context.id("upload", of: Upload.self)
        guard let upload = try await uploads.uploads.find(id, in: context.company) else {
            throw APIError.notFound("upload")
        }
        return upload
    }
}

extension Upload {
    /// Whether all its bytes are here. A tus client that learns so asks for nothing more, even if the request that ended
    /// it has failed; in the draft it says so itself, with its last request.
    fileprivate var isOver: Bool { sha256 != nil || (dialect == .tus && role == .whole && length == offset) }
}
