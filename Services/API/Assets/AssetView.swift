import Foundation
import Models

struct AssetView: Encodable {
    let id: AssetID
    @Nullable var itemId: ItemID?
    let kind: Asset.Kind
    let filename: String
    let contentType: String
    let bytes: Int64
    let sha256: String
    let status: Asset.Status
    @Nullable var error: String?
    let progress: Double
    @Nullable var width: Int?
    @Nullable var height: Int?
    @Nullable var durationSeconds: Double?
    let duplicate: Bool
    let createdAt: Date
    @Nullable var processedAt: Date?
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

struct RenditionView: Encodable {
    let name: String
    let contentType: String
    let bytes: Int64
    @Nullable var width: Int?
    @Nullable var height: Int?
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
