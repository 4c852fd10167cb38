import Blocking
import Database
import Foundation
import Models
import Storage

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
        /// `original`, or the name of a rendition.
        let form: String
        let volume: String
        /// Its time is that of the upload.
        let source: ArchiveFile
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
        files.reduce(into: [:]) { $0[$1.volume, default: 0] += $1.source.bytes ?? 0 }
    }

    /// At most what the archive has beside its files: headers, padding to whole blocks, workbook and manifest.
    var overhead: Int64 { Int64(files.count) * (2 * 4096 + 1024) + Int64(items.count) * 16_384 + (1 << 20) }
}

/// Finds out what goes into a part, and gives every entry its name.
struct PartPlanner: Sendable {
    let parts: ExportPartRepository
    let storage: LocalStorage
    let threads: BlockingThreads

    /// Reads the rows of a part, a page at a time, and looks where the files lie.
    func plan(_ part: ExportPartSource) async throws -> PartPlan {
        var names = EntryNames()
        var plan = PartPlan(part: part)
        for item in try await parts.items(of: part) {
            plan.items.append(PartPlan.PlannedItem(item: item, folder: names.folder(for: item)))
            plan.newest = max(plan.newest, item.updatedAt)
        }
        let positions = Dictionary(plan.items.enumerated().map { ($1.item.id, $0) }) { first, _ in first }
        try await parts.eachAsset(of: part) { page in
            for (asset, paths) in zip(page, try await locate(page, for: part)) {
                let position = asset.item.flatMap { positions[$0] }
                // An item that was deleted between the two looks.
                if asset.item != nil, position == nil { continue }
                plan.newest = max(plan.newest, asset.createdAt)
                let folder = position.map { plan.items[$0].folder } ?? .procedures
                for (rendition, path) in zip(asset.forms(for: part.options.media), paths) {
                    let filename = rendition?.filename(beside: asset.filename) ?? asset.filename
                    let name = names.file(filename, in: folder)
                    plan.files.append(.init(asset, rendition, of: position, named: name, at: path))
                }
            }
        }
        return plan
    }

    /// Asks the disk, which may take its time, for the paths of each asset's forms.
    private func locate(_ assets: [Asset], for part: ExportPartSource) async throws(StorageError) -> [[String]] {
        try await threads.run { () throws(StorageError) in
            var located: [[String]] = []
            for asset in assets {
                var paths: [String] = []
                for rendition in asset.forms(for: part.options.media) {
                    paths.append(try path(of: asset, rendition, part.company))
                }
                located.append(paths)
            }
            return located
        }
    }

    /// Empty for a file that has gone: no file has that path, so the archive reports it like one that goes while it is
    /// written.
    private func path(
        of asset: Asset,
        _ rendition: Rendition?,
        _ company: CompanyID
    ) throws(StorageError) -> String {
        do throws(StorageError) {
            guard let rendition else { return try storage.originalPath(asset.original, of: company) }
            return try storage.path(volume: rendition.volume, relative: rendition.path)
        } catch {
            guard error.kind == .missing else { throw error }
            return ""
        }
    }
}

extension Asset {
    /// The files of it that an export takes; nil is the original. Nothing is left out: where there is no rendition, the
    /// original stands in.
    fileprivate func forms(for media: Export.Media) -> [Rendition?] {
        let rendition =
            switch kind {
            case .image: renditions.first { $0.name == "compressed" }
            case .video: renditions.first { $0.name == "720p" }
            case .document: Rendition?.none
            }
        return switch media {
        case .originals: [nil]
        case .compressed: [rendition]
        case .both: rendition == nil ? [nil] : [nil, rendition]
        }
    }
}

extension PartPlan.PlannedFile {
    fileprivate init(_ asset: Asset, _ rendition: Rendition?, of item: Int?, named name: String, at path: String) {
        let original = asset.original
        self.init(
            asset: asset.id,
            item: item,
            filename: asset.filename,
            kind: asset.kind,
            contentType: rendition?.contentType ?? asset.contentType,
            form: rendition?.name ?? "original",
            volume: rendition?.volume ?? original.volume,
            source: ArchiveFile(
                name: name,
                modified: asset.createdAt,
                path: path,
                bytes: rendition?.bytes ?? original.bytes,
                crc32: rendition == nil ? original.crc32 : nil,
                sha256: rendition == nil ? original.sha256 : nil,
                mayDeflate: asset.kind == .document
            )
        )
    }
}
