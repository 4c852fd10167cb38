import Foundation
import HTTPTypes
import Hummingbird
import Models
import NIOCore
import NIOHTTPTypes
import RawStructuredFieldValues

/// The protocol a request to `/v1/uploads` speaks: both use the same addresses and are told apart by their headers.
enum ResumableProtocol: Equatable, Sendable {
    /// tus 1.0
    case tus
    /// draft-ietf-httpbis-resumable-upload, by its interop version: 3 is what iOS 17 speaks, 6 the drafts 04 and 05.
    case draft(Int)

    /// Assumed for requests that name no version: the final protocol will not name one.
    static let newestDraft = 8

    static let tusType = "application/offset+octet-stream"
    static let draftType = "application/partial-upload"

    /// What a request says it speaks; nil if it does not say.
    ///
    /// - Throws: `tus_version` for a version of tus that is not 1.0.0; `bad_interop_version`.
    init?(_ headers: HTTPFields) throws(APIError) {
        if let version = headers[.tusResumable], version != "1.0.0" { throw .noTusVersion }
        if let text = headers[.uploadDraftInteropVersion] {
            guard let version = Int(text), version >= 3 else { throw .badInteropVersion }
            self = .draft(version)
        } else if headers[.tusResumable] != nil {
            self = .tus
        } else if headers[.uploadComplete] != nil || headers.mediaType == Self.draftType {
            self = .draft(Self.newestDraft)
        } else {
            return nil
        }
    }

    /// What a request that does not say speaks to an upload begun in a protocol.
    init(to upload: Upload.ProtocolName) throws(APIError) {
        guard upload == .ietf else { throw .noTusVersion }
        self = .draft(Self.newestDraft)
    }

    var name: Upload.ProtocolName { self == .tus ? .tus : .ietf }

    /// Whether the body of a PATCH may be of this media type.
    func takes(_ mediaType: String?) -> Bool {
        switch self {
        case .tus: mediaType == Self.tusType
        case .draft(let version): version < 6 || mediaType == Self.draftType
        }
    }

    /// Whether the body ends the upload; nil if the request does not say. tus has lengths instead.
    func isLast(_ headers: HTTPFields) -> Bool? {
        switch self {
        case .tus: nil
        case .draft(3): headers.boolean(.uploadIncomplete).map { !$0 }
        case .draft: headers.boolean(.uploadComplete)
        }
    }

    /// What a request that begins at `offset` says the whole upload will have, in bytes; nil if it does not say.
    ///
    /// - Throws: `bad_length`; `inconsistent_length` if it says so twice and differently.
    func length(_ headers: HTTPFields, from offset: Int64) throws(APIError) -> Int64? {
        let declared = try headers.bytes(.uploadLength, orThrow: "bad_length")
        // In the draft the last body ends the upload.
        guard self != .tus, isLast(headers) ?? true,
            let body = try headers.bytes(.contentLength, orThrow: "bad_length")
        else { return declared }
        let (end, overflow) = offset.addingReportingOverflow(body)
        guard !overflow, declared == nil || declared == end else { throw .inconsistentLength }
        return end
    }

    /// Whether everything is here once a request has been read: in tus the length says so, in the draft the request.
    func isEnd(_ headers: HTTPFields, offset: Int64, length: Int64?) -> Bool {
        guard length ?? offset == offset else { return false }
        return self == .tus ? length != nil : isLast(headers) ?? true
    }

    /// The headers of every answer, refusals among them.
    var mark: HTTPFields {
        switch self {
        case .tus: [.tusResumable: "1.0.0"]
        case .draft(let version): [.uploadDraftInteropVersion: "\(version)"]
        }
    }

    /// Adds the headers of every answer to the refusals of `body`.
    func marking(_ body: () async throws -> Response) async throws -> Response {
        do {
            return try await body()
        } catch {
            var problem = APIError(mapping: error)
            for field in mark where problem.headers[field.name] == nil { problem.headers[field.name] = field.value }
            throw problem
        }
    }
}

// MARK: - Answers

struct UploadState: Sendable {
    let offset: Int64
    let length: Int64?
    let isComplete: Bool
    let asset: AssetID?
    /// When it expires; nil once it is finished.
    let expiresAt: Date?

    init(_ upload: Upload) {
        offset = upload.offset
        length = upload.length
        isComplete = upload.asset != nil
        asset = upload.asset
        expiresAt = upload.asset == nil ? upload.expiresAt : nil
    }

    init(_ lease: UploadLease, _ accepted: AcceptedFile? = nil) {
        offset = lease.offset
        length = lease.length
        isComplete = accepted != nil
        asset = accepted?.asset.id
        expiresAt = accepted == nil ? lease.expiresAt : nil
    }
}

extension ResumableProtocol {
    func created(_ state: UploadState, at address: String, hasBody: Bool, _ limits: UploadLimits) -> Response {
        var headers = mark
        headers[.location] = address
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

    /// The answer to a request that may have ended an upload: in the draft, what sending the file at once would have
    /// given.
    func finished(_ response: Response, _ accepted: AcceptedFile?) throws -> Response {
        guard let accepted else { return response }
        var headers = response.headers
        headers[.contentLocation] = "/v1/assets/\(accepted.asset.id)"
        guard self != .tus else { return Response(status: response.status, headers: headers) }
        headers[.contentLength] = nil
        var answer = try JSONBody.response(accepted.view, status: accepted.isDuplicate ? .ok : .created)
        answer.headers.append(contentsOf: headers)
        return answer
    }

    /// The answer to `HEAD`.
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

    /// The answer to `OPTIONS`.
    static func options(_ limits: UploadLimits) -> Response {
        Response(
            status: .noContent,
            headers: [
                .tusResumable: "1.0.0",
                .tusVersion: "1.0.0",
                .tusExtension: "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination,"
                    + "concatenation",
                .tusMaxSize: "\(limits.fileBytes)",
                .tusChecksumAlgorithm: TusChecksum.algorithms,
                .acceptPatch: "\(tusType), \(draftType)",
                .uploadLimit: "max-size=\(limits.fileBytes)",
            ]
        )
    }

    /// The refusal of a request whose offset is not the upload's.
    func mismatch(_ state: UploadState) -> APIError {
        var headers: HTTPFields = [.uploadOffset: "\(state.offset)"]
        headers.append(contentsOf: completeness(state.isComplete))
        return .offsetMismatch(state.offset, headers)
    }

    var wrongMediaType: APIError {
        .unsupportedMedia("Send what follows with “Content-Type: \(self == .tus ? Self.tusType : Self.draftType)”.")
    }

    /// Sends an interim response of the draft (104, Upload Resumption Supported): the upload's address, in case the
    /// connection breaks, or how much of it is safe.
    func inform(_ fields: HTTPFields, over channel: any Channel) {
        let status = HTTPResponse.Status(code: 104, reasonPhrase: "Upload Resumption Supported")
        var headers = mark
        headers.append(contentsOf: fields)
        let head = HTTPResponsePart.head(HTTPResponse(status: status, headerFields: headers))
        channel.writeAndFlush(head, promise: nil)
    }

    /// `Upload-Limit` of the draft: the largest size in bytes, and for how long the upload stays, in seconds.
    func limit(_ state: UploadState, _ limits: UploadLimits) -> String {
        let size = "max-size=\(limits.fileBytes)"
        guard let expiry = state.expiresAt else { return size }
        return "\(size), max-age=\(max(0, Int(expiry.timeIntervalSinceNow)))"
    }

    /// Says whether an upload is complete, in the words of the draft.
    private func completeness(_ isComplete: Bool) -> HTTPFields {
        switch self {
        case .tus: [:]
        case .draft(3): [.uploadIncomplete: isComplete ? "?0" : "?1"]
        case .draft: [.uploadComplete: isComplete ? "?1" : "?0"]
        }
    }
}

// MARK: - Headers

extension HTTPField.Name {
    static let tusResumable = known("Tus-Resumable")
    static let tusVersion = known("Tus-Version")
    static let tusExtension = known("Tus-Extension")
    static let tusMaxSize = known("Tus-Max-Size")
    static let tusChecksumAlgorithm = known("Tus-Checksum-Algorithm")
    static let uploadChecksum = known("Upload-Checksum")
    static let uploadConcat = known("Upload-Concat")
    static let uploadDeferLength = known("Upload-Defer-Length")
    static let uploadExpires = known("Upload-Expires")
    static let uploadMetadata = known("Upload-Metadata")

    static let uploadLength = known("Upload-Length")
    static let uploadOffset = known("Upload-Offset")

    static let uploadComplete = known("Upload-Complete")
    static let uploadDraftInteropVersion = known("Upload-Draft-Interop-Version")
    static let uploadIncomplete = known("Upload-Incomplete")
    static let uploadLimit = known("Upload-Limit")

    static let acceptPatch = known("Accept-Patch")
    static let methodOverride = known("X-HTTP-Method-Override")
}

extension HTTPFields {
    /// A number of bytes: digits only. Nil without the header; throws the code for anything else: a sign, an exponent,
    /// a base.
    func bytes(_ name: HTTPField.Name, orThrow code: String) throws(APIError) -> Int64? {
        guard let text = self[name] else { return nil }
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = Int64(text)
        else { throw .badRequest(code, "\(name.rawName) is a number of bytes in decimal digits.") }
        return number
    }

    /// A structured boolean (RFC 9651, 3.3.6); nil for anything else, as the draft asks.
    fileprivate func boolean(_ name: HTTPField.Name) -> Bool? {
        guard let field = self[name] else { return nil }
        var parser = StructuredFieldValueParser(Array(field.utf8))
        guard case .bool(let value) = try? parser.parseItemFieldValue().rfc9651BareItem else { return nil }
        return value
    }
}
