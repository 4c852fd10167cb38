import Database
import HTTPTypes
import Models

/// The protocol a request to `/v1/uploads` speaks: both use the same addresses and are told apart by their headers.
enum UploadDialect: Equatable, Sendable {
    /// tus 1.0
    case tus
    /// draft-ietf-httpbis-resumable-upload, by its interop version: 3 is what iOS 17 speaks, 6 the drafts 04 and 05.
    case draft(Int)

    /// Taken for what does not name its version: the final protocol will not.
    static let newestDraft = 8

    static let tusType = "application/offset+octet-stream"
    static let draftType = "application/partial-upload"

    /// What a request says it speaks; nil if it does not say.
    ///
    /// - Throws: `tus_version` for a version of tus that is not 1.0.0; `bad_interop_version`.
    init?(_ headers: HTTPFields) throws(APIError) {
        if let text = headers[.uploadDraftInteropVersion] {
            guard let version = Int(text), version >= 3 else {
                throw .badRequest("bad_interop_version", "Upload-Draft-Interop-Version is 3 or a later one.")
            }
            self = .draft(version)
        } else if let version = headers[.tusResumable] {
            guard version == "1.0.0" else { throw .noTusVersion }
            self = .tus
        } else if headers[.uploadComplete] != nil || headers.mediaType == Self.draftType {
            self = .draft(Self.newestDraft)
        } else {
            return nil
        }
    }

    /// What a request that does not say speaks to an upload begun in a dialect.
    init(to upload: Upload.Dialect) throws(APIError) {
        guard upload == .ietf else { throw .noTusVersion }
        self = .draft(Self.newestDraft)
    }

    /// What the rows call it.
    var name: Upload.Dialect { self == .tus ? .tus : .ietf }

    /// The headers of every answer, refusals among them.
    var mark: HTTPFields {
        switch self {
        case .tus: [.tusResumable: "1.0.0"]
        case .draft(let version): [.uploadDraftInteropVersion: "\(version)"]
        }
    }

    /// Says whether an upload is complete, in the words of the draft.
    func completeness(_ isComplete: Bool) -> HTTPFields {
        switch self {
        case .tus: [:]
        case .draft(3): [.uploadIncomplete: isComplete ? "?0" : "?1"]
        case .draft: [.uploadComplete: isComplete ? "?1" : "?0"]
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

    /// Whether the body of a PATCH may be of this media type.
    func takes(_ mediaType: String?) -> Bool {
        switch self {
        case .tus: mediaType == Self.tusType
        case .draft(let version): version < 6 || mediaType == Self.draftType
        }
    }
}

extension APIError {
    /// As tus wants it: with the versions there are.
    static let noTusVersion = APIError(
        status: .preconditionFailed,
        code: "tus_version",
        detail: "Say “Tus-Resumable: 1.0.0”, or speak the IETF's resumable uploads with “Upload-Complete”.",
        headers: [.tusVersion: "1.0.0", .tusResumable: "1.0.0"]
    )
}
