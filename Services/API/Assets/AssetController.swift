import Database
import Foundation
import Hummingbird
import Jobs
import Models
import Repositories
import Storage

/// `/v1/assets`
struct AssetController: Sendable {
    let assets: AssetRepository
    let jobs: JobPublisher
    let storage: LocalStorage
    let files: FileSender

    func list(_ request: Request, context: UserContext) async throws -> Response {
        let query = try QueryParameters(request)
        let page = try PageRequest<Asset>(query, list: "assets", company: context.company)
        let found = try await assets.page(
            in: context.company,
            item: try id(query["item_id"], "item_id"),
            kind: try query.word("kind"),
            status: try query.word("status"),
            before: page.before,
            limit: page.limit + 1
        )
        return try JSONBody.response(
            AssetPage(
                assets: found.prefix(page.limit).map { AssetView($0) },
                nextCursor: found.count > page.limit
                    ? Cursor.make(found[page.limit - 1].id.rawValue, list: "assets", company: context.company) : nil
            )
        )
    }

    func get(_ request: Request, context: UserContext) async throws -> Response {
        try JSONBody.response(AssetView(try await find(context)))
    }

    func delete(_ request: Request, context: UserContext) async throws -> Response {
        try context.requireWrite()
        let id = try context.id("asset", of: Asset.self)
        guard try await assets.delete(id, in: context.company) else { throw APIError.notFound("asset") }
        return Response(status: .noContent)
    }

    /// The original, bit for bit as it came.
    func content(_ request: Request, context: UserContext) async throws -> Response {
        let asset = try await find(context)
        return try await files.send(
            FileSender.File(
                locate: { [storage, company = context.company] () throws(StorageError) in
                    try storage.originalPath(asset.original, of: company)
                },
                contentType: asset.contentType,
                entityTag: asset.original.sha256.description,
                modified: asset.createdAt,
                filename: asset.filename,
                disposition: .attachment
            ),
            to: request,
            context
        )
    }

    /// A rendition. It is made by our own encoder, so a page may show it in place.
    func rendition(_ request: Request, context: UserContext) async throws -> Response {
        let asset = try await find(context)
        guard let name = context.parameters.get("name"),
            let rendition = asset.renditions.first(where: { $0.name == name })
        else { throw APIError.notFound("rendition") }
        return try await files.send(
            FileSender.File(
                locate: { [storage] () throws(StorageError) in
                    try storage.path(volume: rendition.volume, relative: rendition.path)
                },
                contentType: rendition.contentType,
                entityTag: rendition.entityTag,
                modified: asset.processedAt ?? asset.createdAt,
                filename: rendition.filename(beside: asset.filename),
                disposition: .inline
            ),
            to: request,
            context
        )
    }

    /// Queues a failed asset again.
    func retry(_ request: Request, context: UserContext) async throws -> Response {
        try context.requireWrite()
        let asset = try await find(context)
        guard try await jobs.retry(subject: asset.id.rawValue) != nil else {
            throw APIError(
                status: .conflict,
                code: "not_failed",
                detail: "Only a failed asset can be retried; this one is \(asset.status.rawValue)."
            )
        }
        return try JSONBody.response(AssetView(try await find(context)), status: .accepted)
    }

    private func find(_ context: UserContext) async throws -> Asset {
        let id = try context.id("asset", of: Asset.self)
        guard let asset = try await assets.find(id, in: context.company) else { throw APIError.notFound("asset") }
        return asset
    }

    private func id(_ text: String?, _ name: String) throws(APIError) -> ItemID? {
        guard let text else { return nil }
        guard let id = ItemID(text) else { throw .badRequest("bad_filter", "“\(name)” is not an id.") }
        return id
    }
}

extension Rendition {
    /// Each attempt writes a path of its own, so the path changes when the bytes may have.
    fileprivate var entityTag: String {
        path.split(separator: "/").suffix(3).joined(separator: "-")
    }
}
