import Hummingbird
import Models
import Repositories

/// `POST /v1/uploads/check`: so that a retry after a broken upload sends only what is missing.
struct UploadCheckController: Sendable {
    let items: ItemRepository
    let assets: AssetRepository

    func check(_ request: Request, context: UserContext) async throws -> Response {
        let check = try await JSONBody.decode(
            UploadCheck.self,
            from: request,
            context,
            most: UploadCheck.maximumBytes
        )
        let digests = try check.digests()
        if let item = check.itemId, try await !items.has(item, in: context.company) {
            throw APIError.notFound("item")
        }
        let found = try await assets.held(digests, on: check.itemId, in: context.company)
        let files = zip(check.files, digests).map { file, digest in
            let asset = found[digest].flatMap { [nil, $0.original.bytes].contains(file.bytes) ? $0 : nil }
            return UploadCheckAnswer.File(
                sha256: digest.description,
                exists: asset != nil,
                asset: asset.map { AssetView($0, duplicate: true) }
            )
        }
        return try await JSONBody.response(long: UploadCheckAnswer(files: files))
    }
}

/// A client's question which of its files are stored already.
struct UploadCheck: Decodable {
    static let maximumFiles = 200
    /// That many files, each with a name of some length.
    static let maximumBytes = 256 << 10

    struct File: Decodable {
        let sha256: String
        let bytes: Int64?
        /// For the client's own logs and ours; the bytes alone decide.
        let filename: String?
    }

    let itemId: ItemID?
    let files: [File]

    /// The files' digests, in order. Throws `bad_value`.
    func digests() throws(APIError) -> [SHA256Digest] {
        guard (1...Self.maximumFiles).contains(files.count) else {
            throw .badRequest("bad_value", "The field “files” takes 1 to \(Self.maximumFiles) files.")
        }
        var digests: [SHA256Digest] = []
        for (index, file) in files.enumerated() {
            guard let digest = SHA256Digest(file.sha256) else {
                throw .badRequest("bad_value", "The field “files.\(index).sha256” is not 64 hexadecimal digits.")
            }
            guard file.bytes ?? 0 >= 0 else {
                throw .badRequest("bad_value", "The field “files.\(index).bytes” may not be negative.")
            }
            digests.append(digest)
        }
        return digests
    }
}

/// In the order of the question.
private struct UploadCheckAnswer: Encodable {
    struct File: Encodable {
        let sha256: String
        let exists: Bool
        let asset: AssetView?
    }

    let files: [File]
}
