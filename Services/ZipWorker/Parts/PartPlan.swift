import Blocking
import Foundation
import Models
import Repositories
import Storage

/// What goes into one part, before a byte of it is read: of each item a few bytes in memory, of its files only their
/// number.
struct PartPlan: Sendable {
    /// An item and where its files lie.
    struct PlannedItem: Codable, Sendable {
        let item: Item
        let folder: EntryFolder
        /// The part that has the files before the first of these.
        var continuedFrom: Int?
        /// The part that has the files behind the last of these.
        var continuesIn: Int?
    }

    /// A file that is to become an entry.
    struct PlannedFile: Codable, Sendable {
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

    /// What is kept of an item.
    struct Place: Sendable {
        let code: String
        let folder: EntryFolder
        var files = 0
    }

    let part: ExportPartSource
    /// Those in it, as they were read.
    let items: RecordFile<PlannedItem>
    var places: [Place] = []
    var positions: [ItemID: Int] = [:]
    var attributeNames: Set<String> = []
    var files = 0
    /// Bytes of its files, by volume.
    var bytesByVolume: [String: Int64] = [:]
    /// The newest thing in it. It stands for the time of what the worker adds itself, so that the same data gives the
    /// same bytes whenever it is built.
    var newest = Date(timeIntervalSince1970: 0)
    /// Those of its items are taken.
    fileprivate var names = EntryNames()

    /// Bytes of its files.
    var bytes: Int64 { bytesByVolume.values.reduce(0, +) }

    /// Bytes of what items say, and of what documents grow by if they do not deflate.
    fileprivate var grownBytes: Int64 = 0

    /// At most what the archive has beside its files, and what is made of its workbook meanwhile: headers, padding to
    /// whole blocks, workbook and manifest. No less than `plan_parts` counts beside the files where it cuts the parts.
    var overhead: Int64 {
        Int64(files) * (2 * 4096 + 1024) + Int64(places.count) * 16_384 + grownBytes + (1 << 20)
    }

    /// Which of the items an asset belongs to; an item that has gone since takes its assets with it.
    fileprivate func position(of asset: Asset) -> (isHere: Bool, item: Int?) {
        guard let item = asset.item else { return (true, nil) }
        let position = positions[item]
        return (position != nil, position)
    }

    fileprivate func planned(_ item: Item, in folder: EntryFolder) -> PlannedItem {
        PlannedItem(
            item: item,
            folder: folder,
            continuedFrom: part.begins(inside: item.id) ? part.number - 1 : nil,
            continuesIn: part.ends(inside: item.id) ? part.number + 1 : nil
        )
    }
}

/// Finds out what goes into a part, and gives every entry its name. Rows are read a page at a time.
struct PartPlanner: Sendable {
    let parts: ExportPartRepository
    let storage: LocalStorage
    let threads: BlockingThreads

    /// Items may have many attributes.
    private static let itemsInMemory = 100

    /// Takes records into a directory, its own.
    func plan(_ part: ExportPartSource, in directory: String) async throws -> PartPlan {
        let items = try await threads.run { () throws(ArchiveError) in
            try RecordFile<PartPlan.PlannedItem>(in: directory, keeping: Self.itemsInMemory)
        }
        var plan = PartPlan(part: part, items: items)
        var pages = parts.items(of: part)
        while let page = try await pages.next() {
            var planned: [PartPlan.PlannedItem] = []
            for item in page {
                let folder =
                    part.begins(inside: item.id)
                    ? plan.names.folder(for: item, continuedIn: part.number, in: part.options.language)
                    : plan.names.folder(for: item)
                plan.positions[item.id] = plan.places.count
                plan.places.append(PartPlan.Place(code: item.code, folder: folder))
                plan.attributeNames.formUnion(item.attributes.keys)
                plan.newest = max(plan.newest, item.updatedAt)
                plan.grownBytes += try item.attributeBytes
                planned.append(plan.planned(item, in: folder))
            }
            try await threads.run { [planned] () throws(ArchiveError) in try items.append(planned) }
        }
        var assets = parts.assets(of: part)
        while let page = try await assets.next() {
            for asset in page {
                let (isHere, item) = plan.position(of: asset)
                guard isHere else { continue }
                let forms = asset.forms(for: part.options.media)
                for rendition in forms {
                    let volume = rendition?.volume ?? asset.original.volume
                    let bytes = rendition?.bytes ?? asset.original.bytes
                    plan.bytesByVolume[volume, default: 0] += bytes
                    if asset.kind == .document { plan.grownBytes += bytes / 1024 }
                }
                plan.files += forms.count
                if let item { plan.places[item].files += forms.count }
                plan.newest = max(plan.newest, asset.createdAt)
            }
        }
        return plan
    }

    /// The files of a plan, by item, then by asset; procedures last.
    func files(of plan: PartPlan) -> Files {
        Files(planner: self, plan: plan, names: plan.names, pages: parts.assets(of: plan.part))
    }

    struct Files {
        fileprivate let planner: PartPlanner
        fileprivate let plan: PartPlan
        fileprivate var names: EntryNames
        fileprivate var pages: ExportPartRepository.AssetPages

        /// Some hundred of them, with where they lie; nil behind the last.
        mutating func next() async throws -> [PartPlan.PlannedFile]? {
            let part = plan.part
            guard let page = try await pages.next() else { return nil }
            var files: [PartPlan.PlannedFile] = []
            for (asset, paths) in zip(page, try await planner.locate(page, for: part)) {
                let (isHere, item) = plan.position(of: asset)
                guard isHere else { continue }
                let folder = item.map { plan.places[$0].folder } ?? part.procedureFolder
                for (rendition, path) in zip(asset.forms(for: part.options.media), paths) {
                    let filename = rendition?.filename(beside: asset.filename) ?? asset.filename
                    let name = names.file(filename, in: folder)
                    files.append(.init(asset, rendition, of: item, named: name, at: path))
                }
            }
            return files
        }
    }

    /// Asks the disk, which may take its time, for the paths of each asset's forms.
    fileprivate func locate(_ assets: [Asset], for part: ExportPartSource) async throws(StorageError) -> [[String]] {
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

extension Item {
    /// Twice what its attributes take as JSON of Postgres, which has a space behind each colon and comma.
    fileprivate var attributeBytes: Int64 {
        get throws { 4 * Int64(try JSONEncoder().encode(attributes).count) }
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
        // What could not be made smaller is delivered as it came.
        case .compressed: [rendition.flatMap { $0.bytes <= original.bytes ? $0 : nil }]
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
