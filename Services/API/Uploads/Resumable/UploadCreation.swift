import Database
import Foundation
import HTTPTypes
import Hummingbird
import Models

extension NewUpload {
    /// What a request that begins an upload says of it.
    ///
    /// - Throws: `bad_metadata`, `bad_length`, `inconsistent_length`, `bad_concat`, `upload_complete_missing`;
    ///   `FilenameError`.
    init(_ request: Request, speaking dialect: UploadDialect) throws {
        self.init(dialect: dialect.name)
        switch dialect {
        case .tus: try readTus(request.headers)
        case .draft: try readDraft(request, dialect)
        }
    }

    private mutating func readTus(_ headers: HTTPFields) throws {
        let metadata = try TusMetadata(headers[.uploadMetadata] ?? "")
        filename = try metadata["filename"].map { try Filename(cleaning: $0).label } ?? ""
        declaredType = try metadata.text("filetype")?.lowercased()
        item = try metadata.text("item_id").map(Self.item)
        self.metadata = headers[.uploadMetadata]
        concatenation = headers[.uploadConcat]
        role =
            switch concatenation {
            case nil: .whole
            case "partial": .part
            case let text? where text.hasPrefix("final;"): .final
            default: throw APIError.badConcatenation
            }
        length = try headers.bytes(.uploadLength, orThrow: "bad_length")
        let deferral = headers[.uploadDeferLength]
        let isKnownOnce = (length == nil) != (deferral == nil)
        guard deferral ?? "1" == "1", role == .final ? length == nil : isKnownOnce else {
            throw APIError.badRequest(
                "bad_length",
                "An upload says its Upload-Length, or “Upload-Defer-Length: 1”; one made of parts says neither."
            )
        }
    }

    private mutating func readDraft(_ request: Request, _ dialect: UploadDialect) throws {
        guard let isLast = dialect.isLast(request.headers) else { throw APIError.noCompleteness }
        length = try request.headers.draftLength(from: 0, isLast: isLast)
        if let type = request.headers.mediaType, type != UploadDialect.draftType { declaredType = type }
        let query = try QueryParameters(request)
        item = try query["item_id"].map(Self.item)
        if let name = try Self.filename(request.headers[.contentDisposition]) {
            filename = try Filename(cleaning: name).label
        } else {
            filename = try query["filename"].map { try Filename(cleaning: $0.utf8).label } ?? ""
        }
    }

    /// RFC 6266: `filename*` wins.
    private static func filename(_ disposition: String?) throws -> [UInt8]? {
        guard let disposition else { return nil }
        let parameters = try MultipartHeaderValue(parsing: Array(disposition.utf8)).parameters
        guard let extended = parameters["filename*"] else { return parameters["filename"] }
        // charset'language'percent-encoded (RFC 8187)
        let parts = extended.split(separator: UInt8(ascii: "'"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, String(decoding: parts[0], as: UTF8.self).lowercased() == "utf-8",
            let name = PercentEncoding.decode(parts[2])
        else { throw APIError.badRequest("bad_filename", "The file's name is not written as RFC 8187 says.") }
        return name
    }

    private static func item(_ text: String) throws(APIError) -> ItemID {
        guard let item = ItemID(text) else { throw .badRequest("bad_metadata", "“item_id” is not an id.") }
        return item
    }
}

extension HTTPFields {
    /// What a request in the words of the draft says the whole upload will have; nil if it does not say.
    ///
    /// - Parameters:
    ///   - offset: Where its body begins.
    ///   - isLast: Whether its body ends the upload.
    /// - Returns: A number of bytes.
    /// - Throws: `bad_length`; `inconsistent_length` if it says so twice and differently.
    func draftLength(from offset: Int64, isLast: Bool) throws(APIError) -> Int64? {
        let declared = try bytes(.uploadLength, orThrow: "bad_length")
        guard isLast, let body = try bytes(.contentLength, orThrow: "bad_length") else { return declared }
        let (end, overflow) = offset.addingReportingOverflow(body)
        guard !overflow, declared == nil || declared == end else { throw .inconsistentLength }
        return end
    }
}

extension APIError {
    static let badConcatenation = APIError.badRequest(
        "bad_concat",
        "Upload-Concat is “partial”, or “final;” and the addresses of at most 100 parts of your company."
    )

    static let inconsistentLength = APIError.badRequest(
        "inconsistent_length",
        "The request and those before it do not agree how long the upload is. Begin a new one."
    )

    static let noCompleteness = APIError.badRequest(
        "upload_complete_missing",
        "Say with “Upload-Complete: ?1” that this request ends the upload, or with “?0” that more follows."
    )
}
