import Database
import Foundation
import Models

/// How an upload stands, for an answer.
struct UploadState: Sendable {
    let id: UploadID
    let offset: Int64
    let length: Int64?
    let isComplete: Bool
    let asset: AssetID?
    /// When it is forgotten; nil once it is finished.
    let expiresAt: Date?

    init(_ upload: Upload) {
        id = upload.id
        offset = upload.offset
        length = upload.length
        isComplete = upload.asset != nil
        asset = upload.asset
        expiresAt = upload.asset == nil ? upload.expiresAt : nil
    }

    /// As a request leaves it.
    init(_ hold: UploadHold, _ accepted: AcceptedFile? = nil) {
        id = hold.upload.id
        offset = hold.offset
        length = hold.length
        isComplete = accepted != nil
        asset = accepted?.asset.id
        expiresAt = accepted == nil ? hold.expiresAt : nil
    }
}

/// An upload in the API's JSON.
struct UploadView: Encodable {
    let id: UploadID
    let offset: Int64
    @Nullable var length: Int64?
    let filename: String
    @Nullable var itemId: ItemID?
    let isComplete: Bool
    @Nullable var asset: AssetView?
    let createdAt: Date
    let expiresAt: Date

    init(_ upload: Upload, _ asset: Asset?) {
        id = upload.id
        offset = upload.offset
        length = upload.length
        filename = upload.filename
        itemId = upload.item
        isComplete = upload.asset != nil
        self.asset = asset.map { AssetView($0) }
        createdAt = upload.createdAt
        expiresAt = upload.expiresAt
    }
}
