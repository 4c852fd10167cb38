import Foundation
import HTTPTypes
import Hummingbird
import Models
import Repositories
import Storage

/// `/v1/uploads`: tus 1.0 and the IETF's resumable uploads, on the same addresses. `ResumableProtocol` reads and writes
/// their headers.
///
/// An upload belongs to a company, as the asset it becomes does: whoever may write in it may go on with it.
struct ResumableController: Sendable {
    let uploads: ResumableUploads
    let assets: AssetRepository
    let turns: Turns<UserID>
    let address: PublicAddress
    /// Whether clients reach this process directly. nginx 1.22 takes an interim answer of ours for the final one: the
    /// client then hears nothing more until a timeout. Behind a proxy none is sent, so a client that speaks the draft
    /// learns its upload's address only from the final answer, or begins it without bytes (`Upload-Complete: ?0`).
    let sendsInterim: Bool
    func create(_ request: Request, context: UserContext) async throws -> Response {
        guard let spoken = try ResumableProtocol(request.headers) else { throw APIError.noTusVersion }
        return try await spoken.marking {
            try context.requireWrite()
            var new = try NewUpload(request, speaking: spoken)
            let expected = try ExpectedDigest(ofPart: request.headers)
            new.expectedDigest = expected.whole
            guard new.role != .final else { return try await concatenate(new, request, context, spoken) }
            // A body of another type belongs to the request's transport, not to the upload.
            let hasBody = spoken != .tus || request.headers.mediaType == ResumableProtocol.tusType
            let body = hasBody ? try request.headers.bytes(.contentLength, orThrow: "bad_length") : nil
            let location = address(of: new.id, for: request)
            let interim = sendsInterim(to: request)
            // Without a body nothing can break before the answer.
            let announces = interim && spoken != .tus && request.headers[.contentLength] != "0"
            let lease = try await APIError.slowed { [new] in
                try await turns.take(context.user.id) {
                    try await admit(new, bytes: new.length ?? body, request, context)
                    return try await uploads.begin(
                        new,
                        expecting: new.length ?? body,
                        in: context.company,
                        by: context.user.id,
                        for: UploadWriter(context, spoken, interim: interim, knowsUpload: announces)
                    )
                }
            }
            if announces {
                let limit = spoken.limit(UploadState(lease), uploads.limits)
                spoken.inform([.location: location, .uploadLimit: limit], over: context.channel)
            }
            return try await uploads.withLease(lease) {
                if hasBody { try await uploads.append(request, context, to: lease, expecting: expected) }
                let accepted = try await end(lease, request, context, spoken)
                let state = UploadState(lease, accepted)
                let response = spoken.created(state, at: location, hasBody: hasBody, uploads.limits)
                return try spoken.finished(response, accepted)
            }
        }
    }

    func append(_ request: Request, context: UserContext) async throws -> Response {
        guard let spoken = try ResumableProtocol(request.headers) else { throw APIError.noTusVersion }
        return try await spoken.marking {
            try context.requireWrite()
            let id = try context.id("upload", of: Upload.self)
            guard spoken.takes(request.headers.mediaType) else { throw spoken.wrongMediaType }
            guard let offset = try request.headers.bytes(.uploadOffset, orThrow: "bad_offset") else {
                throw APIError.noOffset
            }
            let expected = try ExpectedDigest(ofPart: request.headers)
            let writer = UploadWriter(context, spoken, interim: sendsInterim(to: request))
            guard let lease = try await uploads.acquire(id, in: context.company, for: writer) else {
                return try await repeated(offset, context, spoken)
            }
            return try await uploads.withLease(lease) {
                try agree(lease, offset, request, spoken)
                lease.expectedDigest = expected.whole ?? lease.expectedDigest
                if lease.upload.sha256 == nil {
                    try await uploads.append(request, context, to: lease, expecting: expected)
                }
                let accepted = try await end(lease, request, context, spoken)
                return try spoken.finished(spoken.appended(UploadState(lease, accepted)), accepted)
            }
        }
    }

    /// `HEAD /v1/uploads/{id}`: where the upload stands. A request that is writing it stops first, so that the answer
    /// is still true when the client continues.
    func head(_ request: Request, context: UserContext) async throws -> Response {
        let said = try ResumableProtocol(request.headers)
        return try await (said ?? .tus).marking {
            // Looking stops whoever writes.
            try context.requireWrite()
            let upload = try await find(context)
            let spoken = try said ?? ResumableProtocol(to: upload.protocolName)
            if upload.asset == nil, upload.holder != nil || upload.isOver {
                let writer = UploadWriter(context, spoken)
                if let lease = try await uploads.acquire(upload.id, in: context.company, for: writer) {
                    try await uploads.withLease(lease) {
                        // The missing step needs nothing from the client.
                        if lease.upload.isOver { _ = try await uploads.finish(lease, logger: context.logger) }
                    }
                }
            }
            return spoken.standing(try await find(context), uploads.limits)
        }
    }

    /// `GET /v1/uploads/{id}`: the same for people, without stopping the request that writes it.
    func get(_ request: Request, context: UserContext) async throws -> Response {
        let upload = try await find(context)
        var asset: Asset?
        if let id = upload.asset { asset = try await assets.find(id, in: context.company) }
        return try JSONBody.response(UploadView(upload, asset))
    }

    /// `DELETE /v1/uploads/{id}`: frees its bytes at once. The asset of a finished one stays.
    func cancel(_ request: Request, context: UserContext) async throws -> Response {
        let said = try ResumableProtocol(request.headers)
        return try await (said ?? .tus).marking {
            try context.requireWrite()
            let upload = try await find(context)
            let spoken = try said ?? ResumableProtocol(to: upload.protocolName)
            let writer = UploadWriter(context, spoken)
            if let lease = try await uploads.acquire(upload.id, in: context.company, for: writer) {
                try await uploads.withLease(lease) { try await uploads.remove(lease) }
            } else {
                try await uploads.uploads.delete(upload.id, in: context.company)
            }
            return Response(status: .noContent, headers: spoken.mark)
        }
    }

    /// `POST /v1/uploads/{id}`: for clients that cannot send other methods.
    func override(_ request: Request, context: UserContext) async throws -> Response {
        switch request.headers[.methodOverride]?.uppercased() {
        case "PATCH": return try await append(request, context: context)
        case "DELETE": return try await cancel(request, context: context)
        case "HEAD": return try await head(request, context: context)
        default: throw APIError.methodNotAllowed(["DELETE", "GET", "HEAD", "PATCH"])
        }
    }

    /// `OPTIONS /v1/uploads`: the supported features; needs no sign-in.
    func options(_ request: Request, context: APIContext) async throws -> Response {
        ResumableProtocol.options(uploads.limits)
    }

    // MARK: - Steps

    /// Refuses what can be refused before anything is made. `bytes` are those it is sure to have; nil if unknown.
    /// Throws `unsupported_media_type`, `file_too_large`, `item_required`, `not_found`.
    private func admit(_ new: NewUpload, bytes: Int64?, _ request: Request, _ context: UserContext) async throws {
        guard request.headers[.contentEncoding] == nil else {
            throw APIError.unsupportedMedia("Send the file as it is, without Content-Encoding.")
        }
        try uploads.limits.requireFile(of: bytes)
        if let item = new.item {
            guard try await uploads.items.find(item, in: context.company) != nil else {
                throw APIError.notFound("item")
            }
        } else if new.role != .part {
            try ContentSniffer.requireItem(for: Filename(label: new.filename), declaredType: new.declaredType)
        }
    }

    /// Checks a continuing request against the upload's state, and keeps a length it declares. Throws `final_upload`,
    /// `offset_mismatch`, `inconsistent_length`, `file_too_large`.
    private func agree(_ lease: UploadLease, _ offset: Int64, _ request: Request, _ spoken: ResumableProtocol) throws {
        guard lease.upload.role != .final else { throw APIError.finalUpload }
        guard offset == lease.offset else { throw spoken.mismatch(UploadState(lease)) }
        guard let declared = try spoken.length(request.headers, from: offset) else { return }
        guard lease.length ?? declared == declared, declared >= offset else { throw APIError.inconsistentLength }
        try uploads.limits.requireFile(of: declared)
        lease.length = declared
    }

    /// Makes the asset if the request was the upload's last, and records how far it has come if not.
    private func end(_ lease: UploadLease, _ request: Request, _ context: UserContext, _ spoken: ResumableProtocol)
        async throws -> AcceptedFile?
    {
        let isEnd = spoken.isEnd(request.headers, offset: lease.offset, length: lease.length)
        guard isEnd, lease.upload.role != .part else {
            try await lease.save()
            return nil
        }
        return try await uploads.finish(lease, logger: context.logger)
    }

    /// A request to go on with what is finished. A client that did not hear of the end may ask for nothing more.
    private func repeated(_ offset: Int64, _ context: UserContext, _ spoken: ResumableProtocol) async throws -> Response
    {
        let upload = try await find(context)
        guard upload.role != .final else { throw APIError.finalUpload }
        guard spoken == .tus else { throw APIError.uploadComplete }
        let state = UploadState(upload)
        guard offset == upload.offset else { throw spoken.mismatch(state) }
        return spoken.appended(state)
    }

    private func concatenate(
        _ new: NewUpload,
        _ request: Request,
        _ context: UserContext,
        _ spoken: ResumableProtocol
    ) async throws -> Response {
        let parts = try Concatenation(new.concatenation ?? "")
        var new = new
        new.length = try await parts.length(in: context.company, uploads.uploads)
        try await admit(new, bytes: new.length, request, context)
        let writer = UploadWriter(context, spoken, knowsUpload: false)
        let lease = try await uploads.begin(
            new,
            expecting: new.length,
            in: context.company,
            by: context.user.id,
            for: writer
        )
        return try await uploads.withLease(lease) {
            let accepted = try await uploads.finish(lease, of: parts, for: writer)
            let location = address(of: new.id, for: request)
            let state = UploadState(lease, accepted)
            return try spoken.finished(
                spoken.created(state, at: location, hasBody: true, uploads.limits),
                accepted
            )
        }
    }

    private func address(of upload: UploadID, for request: Request) -> String {
        address.url(of: "/v1/uploads/\(upload)", for: request)
    }

    private func find(_ context: UserContext) async throws -> Upload {
        let id = try context.id("upload", of: Upload.self)
        guard let upload = try await uploads.uploads.find(id, in: context.company) else {
            throw APIError.notFound("upload")
        }
        return upload
    }

    /// A proxy that says so is noticed even where it is not trusted.
    private func sendsInterim(to request: Request) -> Bool {
        sendsInterim && !ForwardedRequest(request.headers).hasTraces
    }
}

extension Upload {
    /// Whether all its bytes are here. A tus client that learns so asks for nothing more, even if the request that ended
    /// it has failed; in the draft it says so itself, with its last request.
    fileprivate var isOver: Bool {
        sha256 != nil || (protocolName == .tus && role == .whole && length == offset)
    }
}

private struct UploadView: Encodable {
    let id: UploadID
    let offset: Int64
    @Nullable var length: Int64?
    let filename: String
    @Nullable var itemId: ItemID?
    let isComplete: Bool
    @Nullable var asset: AssetView?
    let createdAt: Date
    let expiresAt: Date

    init(_ upload: Upload, _ asset: Asset?) {
        id = upload.id
        offset = upload.offset
        length = upload.length
        filename = upload.filename
        itemId = upload.item
        isComplete = upload.asset != nil
        self.asset = asset.map { AssetView($0) }
        createdAt = upload.createdAt
        expiresAt = upload.expiresAt
    }
}
