import Foundation
import Models

/// One item of a part.
struct ManifestItem: Hashable, Sendable {
    /// The item's.
    let code: String
    /// The item's.
    let name: String
    /// Where its files lie.
    let folder: String

    var json: JSONObject {
        var json = JSONObject()
        json.add("code", code)
        json.add("name", name)
        json.add("folder", folder)
        return json
    }
}

/// One file in a part.
struct ManifestEntry: Hashable, Sendable {
    /// The whole name of the entry.
    let name: String
    /// Of the file as it lies in the part.
    let bytes: Int64
    /// Of the file as it lies in the part.
    let sha256: SHA256Digest
    /// The asset it belongs to; nil for the workbook.
    var asset: AssetID?
    /// The code of its item; nil for a document of the company.
    var itemCode: String?
    /// Of the asset.
    var kind: Asset.Kind?
    /// `original`, or the name of a rendition.
    var form: String?
    /// When the asset was uploaded.
    var uploadedAt: Date?

    var json: JSONObject {
        var json = JSONObject()
        json.add("name", name)
        json.add("bytes", bytes)
        json.add("sha256", sha256.description)
        json.add("asset_id", asset?.description)
        json.add("item", itemCode)
        json.add("kind", kind?.rawValue)
        json.add("form", form)
        json.add("uploaded_at", uploadedAt)
        return json
    }
}

extension FileProblem {
    func json(in language: Export.Language) -> JSONObject {
        var json = JSONObject()
        json.add("name", entry)
        json.add("filename", filename)
        json.add("item", itemCode)
        json.add("problem", problem.code)
        json.add("detail", problem.detail(in: language))
        return json
    }
}
