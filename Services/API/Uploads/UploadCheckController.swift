import Database
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
        if let item = check.itemId, try await items.find(item, in: context.company) == nil {
            throw APIError.notFound("item")
        }
        let found = try await assets.held(digests, on: check.itemId, in: context.company)
        let files = zip(check.files, digests).map { file, digest in
            let asset = found[digest].flatMap { [nil, $0.original.bytes].contains(file.bytes) ? $0 : nil }
            return UploadCheckResult.File(
                sha256: digest.description,
                exists: asset != nil,
                asset: asset.map { AssetView($0, duplicate: true) }
            )
        }
        return try JSONBody.response(UploadCheckResult(files: files))
    }
}
