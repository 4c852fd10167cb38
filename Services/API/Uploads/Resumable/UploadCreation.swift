import Foundation
import HTTPTypes
import Hummingbird
import Models
import NIOCore
import Storage

extension NewUpload {
    /// What a request that begins an upload says of it.
    ///
    /// - Throws: `bad_metadata`, `bad_length`, `inconsistent_length`, `bad_concat`, `upload_complete_missing`,
    ///   `bad_filename`, `bad_digest`, `bad_query`.
    init(_ request: Request, speaking spoken: ResumableProtocol) throws {
        self.init(protocolName: spoken.name)
        switch spoken {
        case .tus: try readTus(request.headers)
        case .draft: try readDraft(request, spoken)
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
        guard deferral ?? "1" == "1", role == .final ? length == nil : isKnownOnce else { throw APIError.badLengths }
    }

    private mutating func readDraft(_ request: Request, _ spoken: ResumableProtocol) throws {
        guard spoken.isLast(request.headers) != nil else { throw APIError.noCompleteness }
        length = try spoken.length(request.headers, from: 0)
        if let type = request.headers.mediaType, type != ResumableProtocol.draftType { declaredType = type }
        let query = try QueryParameters(request)
        item = try query["item_id"].map(Self.item)
        var name = query["filename"].map { Array($0.utf8) }
        if let disposition = request.headers[.contentDisposition] {
            name = try HeaderValue(parsing: Array(disposition.utf8)).filename ?? name
        }
        filename = try Filename(cleaning: name ?? []).label
    }

    private static func item(_ text: String) throws(APIError) -> ItemID {
        guard let item = ItemID(text) else { throw .badMetadata("“item_id” is not an id.") }
        return item
    }
}

/// `Upload-Metadata` of tus: keys, each with a value in base64.
struct TusMetadata {
    private var values: [Substring: Data] = [:]

    /// - Throws: `bad_metadata` for what is not that, or has a key twice.
    init(_ header: String) throws(APIError) {
        guard !header.isEmpty else { return }
        for pair in header.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = pair.split(separator: " ")
            guard (1...2).contains(ends.count), let key = ends.first,
                let value = ends.count == 2 ? Data(base64Encoded: String(ends[1])) : Data(),
                values.updateValue(value, forKey: key) == nil
            else { throw .badMetadata }
        }
    }

    subscript(_ key: Substring) -> Data? { values[key] }

    /// A value that is one line of text.
    func text(_ key: Substring) throws(APIError) -> String? {
        guard let value = values[key] else { return nil }
        guard let text = String(validating: value, as: UTF8.self) else {
            throw .badMetadata("“\(key)” in Upload-Metadata is not UTF-8.")
        }
        guard !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw .badMetadata("“\(key)” in Upload-Metadata holds control characters.")
        }
        return text
    }
}

/// A file made of parts that were uploaded by themselves (tus 1.0, "Concatenation").
struct Concatenation {
    private static let maximumParts = 100
    private static let pieceBytes = 1 << 20

    let parts: [UploadID]

    /// Reads `Upload-Concat: final;<address> <address>…`; of an address the last component counts. Throws `bad_concat`.
    init(_ header: String) throws(APIError) {
        let addresses = header.dropFirst("final;".count).split(separator: " ")
        parts = addresses.compactMap { $0.split(separator: "/").last.flatMap { UploadID($0) } }
        guard parts.count == addresses.count, (1...Self.maximumParts).contains(parts.count) else {
            throw .badConcatenation
        }
    }

    /// Bytes of the whole. Throws `not_found`, `part_unfinished`, `bad_concat`.
    func length(in company: CompanyID, _ uploads: UploadRepository) async throws -> Int64 {
        var length: Int64 = 0
        for id in parts {
            guard let part = try await uploads.find(id, in: company) else { throw APIError.notFound("upload") }
            guard part.role == .part else { throw APIError.badConcatenation }
            guard part.isWhole else { throw APIError.partUnfinished }
            length += part.offset
        }
        return length
    }

    /// Copies the parts, one after the other.
    func copy(
        to file: inout IncomingFile,
        in company: CompanyID,
        _ uploads: ResumableUploads,
        for request: UploadWriter
    ) async throws {
        for id in parts {
            guard let part = try await uploads.acquire(id, in: company, for: request) else { throw APIError.unexpected }
            do {
                var offset: Int64 = 0
                while offset < part.offset {
                    let bytes = try await part.file.bytes(at: offset, count: Self.pieceBytes)
                    guard !bytes.isEmpty else { throw APIError.unexpected }
                    try await file.append(ByteBuffer(bytes: bytes))
                    offset += Int64(bytes.count)
                }
            } catch {
                await uploads.release(part)
                throw error
            }
            await uploads.release(part)
        }
    }
}
