import Database
import Foundation
import Models

/// What goes into one part, before a byte of it is read.
struct PartPlan: Sendable {
    /// An item and where its files lie.
    struct PlannedItem: Sendable {
        let item: Item
        let folder: EntryFolder
    }

    /// A file that is to become an entry.
    struct PlannedFile: Sendable {
        let asset: AssetID
        /// Which of the part's items it belongs to; nil for a procedure.
        let item: Int?
        /// As uploaded.
        let filename: String
        let kind: Asset.Kind
        let contentType: String
        /// As ``MediaForm/name`` says it.
        let form: String
        let uploadedAt: Date
        /// Where the archive takes it from.
        let volume: String
        let file: ArchiveFile
    }

    let part: ExportPartSource
    var items: [PlannedItem] = []
    /// By item, then by asset; procedures last.
    var files: [PlannedFile] = []
    /// The newest thing in it. It stands for the time of what the worker adds itself, so that the same data gives the
    /// same bytes whenever it is built.
    var newest = Date(timeIntervalSince1970: 0)

    /// Bytes of its files, by volume.
    var bytesByVolume: [String: Int64] {
        files.reduce(into: [:]) { $0[$1.volume, default: 0] += $1.file.source.bytes ?? 0 }
    }

    /// At most what the archive has beside its files: headers, padding to whole blocks, workbook and manifest.
    var overhead: Int64 { Int64(files.count) * (2 * 4096 + 1024) + Int64(items.count) * 16_384 + (1 << 20) }
}

/// One file of an asset, where it lies.
struct PlannedSource: Sendable {
    let form: MediaForm
    /// What people call it.
    let filename: String
    let contentType: String
    let volume: String
    let file: ArchiveSource
}

extension PartPlan.PlannedFile {
    init(_ asset: Asset, of item: Int?, _ source: PlannedSource, named name: String) {
        self.init(
            asset: asset.id,
            item: item,
            filename: asset.filename,
            kind: asset.kind,
            contentType: source.contentType,
            form: source.form.name,
            uploadedAt: asset.createdAt,
            volume: source.volume,
            file: ArchiveFile(
                name: name,
                modified: asset.createdAt,
                source: source.file,
                mayDeflate: asset.kind == .document
            )
        )
    }
}
