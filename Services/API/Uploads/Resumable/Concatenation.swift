import Database
import Foundation
import Models
import NIOCore
import Storage

/// Makes a file of parts that were uploaded by themselves (tus 1.0, "Concatenation").
struct Concatenation {
    private static let maximumParts = 100
    private static let pieceBytes = 1 << 20

    let parts: [UploadID]

    /// Reads `Upload-Concat: final;<address> <address>…`; of an address the last component counts.
    init(_ header: String) throws(APIError) {
        parts = header.dropFirst("final;".count).split(separator: " ").compactMap { address in
            address.split(separator: "/").last.flatMap { UploadID($0) }
        }
        let count = header.dropFirst("final;".count).split(separator: " ").count
        guard parts.count == count, (1...Self.maximumParts).contains(count) else { throw .badConcatenation }
    }

    /// How long the whole will be.
    ///
    /// - Throws: `not_found`, `part_unfinished`, `bad_concat`.
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

    /// Copies the parts, one after the other, to an upload that is held.
    func copy(to target: inout UploadAppend, in company: CompanyID, _ uploads: ResumableUploads, _ writer: UploadWriter)
        async throws
    {
        for id in parts {
            guard let part = try await uploads.take(id, in: company, writer: writer) else { throw APIError.unexpected }
            do {
                var offset: Int64 = 0
                while offset < part.offset {
                    let bytes = try await part.file.bytes(at: offset, count: Self.pieceBytes)
                    guard !bytes.isEmpty else { throw APIError.unexpected }
                    try await target.append(ByteBuffer(bytes: bytes).readableBytesView)
                    offset += Int64(bytes.count)
                }
            } catch {
                await uploads.release(part)
                throw error
            }
            await uploads.release(part)
        }
        try await target.flush()
    }
}

extension APIError {
    fileprivate static let partUnfinished = APIError.badRequest(
        "part_unfinished",
        "A part that was named is not complete yet. Finish it first."
    )
}
