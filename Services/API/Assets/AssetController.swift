import Database
import Foundation
import Hummingbird
import Jobs
import Models
import Repositories
import Storage

struct AssetController: Sendable {
    let assets: AssetRepository
    let jobs: JobPublisher
    let storage: LocalStorage
    let files: StoredFileResponder

    func list(_ request: Request, context: UserContext) async throws -> Response {
        let query = try QueryParameters(request)
        let page = try ListPage<Asset>(of: "assets", query, in: context.company)
        let found = try await assets.page(
            in: context.company,
            item: try query.id("item_id"),
            kind: try query.word("kind"),
            status: try query.word("status"),
            before: page.before,
            limit: page.rows
        )
        return try await page.response(found, id: \.id) { AssetView($0) }
    }

    func get(_ request: Request, context: UserContext) async throws -> Response {
        try JSONBody.response(AssetView(try await find(context)))
    }

    func delete(_ request: Request, context: UserContext) async throws -> Response {
        let id = try context.id("asset", of: Asset.self)
        guard try await assets.delete(id, in: context.company) else { throw APIError.notFound("asset") }
        return Response(status: .noContent)
    }

    /// What a stranger has sent runs nothing wherever it is opened: it is saved, and if a browser shows it all the same,
    /// in an origin of its own (`sandbox`) and with nothing it asks for.
    ///
    /// A PDF is opened by the browser's own viewer, which keeps its scripts from the page. It has no `sandbox`: Chromium 156
    /// shows it in one too, but older ones and Safari show nothing.
    private static func presentation(of contentType: String) -> (StoredFileResponder.Disposition, policy: String) {
        let nothing = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        return contentType == "application/pdf" ? (.inline, nothing) : (.attachment, "\(nothing); sandbox")
    }

    /// The original, bit for bit as it came.
    func content(_ request: Request, context: UserContext) async throws -> Response {
        let asset = try await find(context)
        let (disposition, policy) = Self.presentation(of: asset.contentType)
        return try await files.respond(
            with: StoredFileResponder.File(
                locate: { [storage, company = context.company] () throws(StorageError) in
                    try storage.originalPath(asset.original, of: company)
                },
                contentType: asset.contentType,
                entityTag: EntityTag(asset.original.sha256.description),
                modified: asset.createdAt,
                filename: asset.filename,
                disposition: disposition,
                policy: policy
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
        return try await files.respond(
            with: StoredFileResponder.File(
                locate: { [storage] () throws(StorageError) in
                    try storage.path(volume: rendition.volume, relative: rendition.path)
                },
                contentType: rendition.contentType,
                entityTag: EntityTag(path: rendition.path, names: 3),
                modified: asset.processedAt ?? asset.createdAt,
                filename: rendition.filename(beside: asset.filename),
                disposition: .inline
            ),
            to: request,
            context
        )
    }

    func retry(_ request: Request, context: UserContext) async throws -> Response {
        let asset = try await find(context)
        guard try await jobs.retry(subject: asset.id.rawValue) != nil else {
            throw APIError.notFailed(asset.status)
        }
        return try JSONBody.response(AssetView(try await find(context)), status: .accepted)
    }

    private func find(_ context: UserContext) async throws -> Asset {
        let id = try context.id("asset", of: Asset.self)
        guard let asset = try await assets.find(id, in: context.company) else { throw APIError.notFound("asset") }
        return asset
    }
}

struct AssetView: NamedForClients {
    let id: AssetID
    let itemId: ItemID?
    let kind: Asset.Kind
    let filename: String
    let contentType: String
    let bytes: Int64
    let sha256: String
    let status: Asset.Status
    let error: String?
    let progress: Double
    let width: Int?
    let height: Int?
    let durationSeconds: Double?
    let duplicate: Bool
    let createdAt: Date
    let processedAt: Date?
    let renditions: [RenditionView]
    let url: String

    /// `duplicate`: this answers an upload of bytes that the item held already.
    init(_ asset: Asset, duplicate: Bool = false) {
        id = asset.id
        itemId = asset.item
        kind = asset.kind
        filename = asset.filename
        contentType = asset.contentType
        bytes = asset.original.bytes
        sha256 = asset.original.sha256.description
        status = asset.status
        error = asset.error
        progress = asset.progress
        width = asset.width
        height = asset.height
        durationSeconds = asset.durationSeconds
        self.duplicate = duplicate
        createdAt = asset.createdAt
        processedAt = asset.processedAt
        renditions = asset.renditions.map { RenditionView($0, of: asset.id) }
        url = "/v1/assets/\(asset.id)/content"
    }
}

/// Written field by field, null where there is nothing: a page has two hundred, and what the compiler would write takes
/// three times as long.
extension AssetView {
    enum CodingKeys: String, CodingKey {
        case id, kind, filename, bytes, sha256, status, error, progress, width, height, duplicate, renditions, url
        case itemId = "item_id"
        case contentType = "content_type"
        case durationSeconds = "duration_seconds"
        case createdAt = "created_at"
        case processedAt = "processed_at"
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(id.description, forKey: .id)
        try fields.encode(kind.rawValue, forKey: .kind)
        try fields.encode(filename, forKey: .filename)
        try fields.encode(contentType, forKey: .contentType)
        try fields.encode(bytes, forKey: .bytes)
        try fields.encode(sha256, forKey: .sha256)
        try fields.encode(status.rawValue, forKey: .status)
        try fields.encode(progress, forKey: .progress)
        try fields.encode(duplicate, forKey: .duplicate)
        try fields.encode(createdAt, forKey: .createdAt)
        try fields.encode(renditions, forKey: .renditions)
        try fields.encode(url, forKey: .url)
        try fields.encodeOrNull(itemId?.description, forKey: .itemId)
        try fields.encodeOrNull(error, forKey: .error)
        try fields.encodeOrNull(width, forKey: .width)
        try fields.encodeOrNull(height, forKey: .height)
        try fields.encodeOrNull(durationSeconds, forKey: .durationSeconds)
        try fields.encodeOrNull(processedAt, forKey: .processedAt)
    }
}

struct RenditionView: NamedForClients {
    let name: String
    let contentType: String
    let bytes: Int64
    let width: Int?
    let height: Int?
    let url: String

    init(_ rendition: Rendition, of asset: AssetID) {
        name = rendition.name
        contentType = rendition.contentType
        bytes = rendition.bytes
        width = rendition.width
        height = rendition.height
        url = "/v1/assets/\(asset)/renditions/\(rendition.name)"
    }
}

extension RenditionView {
    enum CodingKeys: String, CodingKey {
        case name, bytes, width, height, url
        case contentType = "content_type"
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(name, forKey: .name)
        try fields.encode(contentType, forKey: .contentType)
        try fields.encode(bytes, forKey: .bytes)
        try fields.encode(url, forKey: .url)
        try fields.encodeOrNull(width, forKey: .width)
        try fields.encodeOrNull(height, forKey: .height)
    }
}

extension KeyedEncodingContainer {
    fileprivate mutating func encodeOrNull(_ value: (some Encodable)?, forKey key: Key) throws {
        if let value { try encode(value, forKey: key) } else { try encodeNil(forKey: key) }
    }
}
