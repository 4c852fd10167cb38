import Blocking
import Database
import Foundation
import Models
import Storage

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
            for (asset, sources) in zip(page, try await locate(page, for: part)) {
                let position = asset.item.flatMap { positions[$0] }
                // An item that was deleted between the two looks.
                if asset.item != nil, position == nil { continue }
                plan.newest = max(plan.newest, asset.createdAt)
                for source in sources {
                    let folder = position.map { plan.items[$0].folder } ?? .procedures
                    let name = names.file(source.filename, in: folder)
                    plan.files.append(PartPlan.PlannedFile(asset, of: position, source, named: name))
                }
            }
        }
        return plan
    }

    /// Asks the disk, which may take its time.
    private func locate(_ assets: [Asset], for part: ExportPartSource) async throws(StorageError) -> [[PlannedSource]] {
        try await threads.run { () throws(StorageError) in
            var located: [[PlannedSource]] = []
            for asset in assets {
                var sources: [PlannedSource] = []
                for form in asset.forms(for: part.options.media) {
                    sources.append(try source(of: asset, form, part.company))
                }
                located.append(sources)
            }
            return located
        }
    }

    private func source(of asset: Asset, _ form: MediaForm, _ company: CompanyID) throws(StorageError) -> PlannedSource
    {
        switch form {
        case .original:
            let original = asset.original
            return PlannedSource(
                form: form,
                filename: asset.filename,
                contentType: asset.contentType,
                volume: original.volume,
                file: ArchiveSource(
                    path: try existing { () throws(StorageError) in try storage.originalPath(original, of: company) },
                    bytes: original.bytes,
                    crc32: original.crc32,
                    sha256: original.sha256
                )
            )
        case .rendition(let rendition):
            return PlannedSource(
                form: form,
                filename: rendition.filename(beside: asset.filename),
                contentType: rendition.contentType,
                volume: rendition.volume,
                file: ArchiveSource(
                    path: try existing { () throws(StorageError) in
                        try storage.path(volume: rendition.volume, relative: rendition.path)
                    },
                    bytes: rendition.bytes,
                    crc32: nil,
                    sha256: nil
                )
            )
        }
    }

    /// A file that has gone is the archive's to report, like one that goes while it is written: no file has an empty
    /// path.
    private func existing(_ locate: () throws(StorageError) -> String) throws(StorageError) -> String {
        do throws(StorageError) { return try locate() } catch {
            guard error.kind == .missing else { throw error }
            return ""
        }
    }
}
