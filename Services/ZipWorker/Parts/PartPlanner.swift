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
        let items = try await parts.items(of: part)
        let assets = try await all { try await parts.assets(of: part, after: $0) }
        let procedures =
            part.options.procedures ? try await all { try await parts.procedures(for: part, after: $0) } : []
        return try await threads.run { () throws(StorageError) in
            var names = EntryNames()
            var plan = PartPlan(part: part)
            let byItem = Dictionary(grouping: assets) { $0.item }
            for (position, item) in items.enumerated() {
                let folder = names.folder(for: item)
                plan.items.append(PartPlan.PlannedItem(item: item, folder: folder))
                plan.newest = max(plan.newest, item.updatedAt)
                for asset in byItem[item.id] ?? [] { try add(asset, in: folder, of: position, to: &plan, &names) }
            }
            for asset in procedures { try add(asset, in: .procedures, of: nil, to: &plan, &names) }
            return plan
        }
    }

    private func all(_ page: (AssetID?) async throws -> [Asset]) async throws -> [Asset] {
        var all: [Asset] = []
        while true {
            let next = try await page(all.last?.id)
            all += next
            if next.count < ExportPartRepository.pageLength { return all }
        }
    }

    private func add(
        _ asset: Asset,
        in folder: EntryFolder,
        of item: Int?,
        to plan: inout PartPlan,
        _ names: inout EntryNames
    ) throws(StorageError) {
        plan.newest = max(plan.newest, asset.createdAt)
        for form in asset.forms(for: plan.part.options.media) {
            let source = try source(of: asset, form, plan.part.company)
            let file = ArchiveFile(
                name: names.file(source.filename, in: folder),
                modified: asset.createdAt,
                source: source.file,
                mayDeflate: asset.kind == .document
            )
            plan.files.append(
                PartPlan.PlannedFile(
                    asset: asset.id,
                    item: item,
                    filename: asset.filename,
                    kind: asset.kind,
                    contentType: source.contentType,
                    form: form,
                    uploadedAt: asset.createdAt,
                    volume: source.volume,
                    file: file
                )
            )
        }
    }

    private struct Source {
        let filename: String
        let contentType: String
        let volume: String
        let file: ArchiveSource
    }

    private func source(of asset: Asset, _ form: MediaForm, _ company: CompanyID) throws(StorageError) -> Source {
        switch form {
        case .original:
            let original = asset.original
            return Source(
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
            return Source(
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
