import Blocking
import Glibc
public import Models

/// A file that a program writes as it likes, without a name until it is placed: dropped before that, it is gone.
public final class DraftFile: Sendable {
    /// The volume it lies on, and will stay on.
    public let volume: Volume

    fileprivate let file: TemporaryFile
    private let threads: BlockingThreads

    fileprivate init(on volume: Volume, threads: BlockingThreads) throws(StorageError) {
        file = try TemporaryFile(in: volume.spool, unnamed: volume.hasUnnamedFiles)
        self.volume = volume
        self.threads = threads
    }

    /// Open for reading and writing for as long as this value lives.
    public var descriptor: Int32 { file.descriptor }

    /// Gives the space back where that may take its time. Dropping the value does the same on whatever thread that is.
    public func discard() async {
        await threads.run { _ = ftruncate(self.file.descriptor, 0) }
    }
}

/// The archives of exports.
extension LocalStorage {
    /// Opens an empty file for a ZIP part, without a name, on the volume where its archive will stay. Throws `full` if
    /// no volume has the room; `io`.
    ///
    /// The volume with most of the part's files (`sources`: bytes by volume) comes first if it shares blocks, since
    /// cloning them takes neither time nor room; else the first with room for a copy of all of them and `overhead`
    /// bytes beside.
    public func draft(
        of sources: [String: Int64],
        overhead: Int64
    ) async throws(StorageError) -> DraftFile {
        try await threads.run { () throws(StorageError) -> DraftFile in
            let total = sources.values.reduce(overhead, +)
            let cloning = volumes.filter { $0.sharesBlocks && (sources[$0.name] ?? 0) > 0 }
                .sorted { (sources[$0.name] ?? 0) > (sources[$1.name] ?? 0) }
                .map { (volume: $0, needed: total - (sources[$0.name] ?? 0)) }
            var fitting: [Volume] = []
            for (volume, needed) in cloning + volumes.map({ ($0, total) })
            where try candidates(for: needed).contains(where: { $0.name == volume.name }) {
                fitting.append(volume)
            }
            return try onFirst(of: fitting) { volume throws(StorageError) in
                try DraftFile(on: volume, threads: threads)
            }
        }
    }

    /// Gives a finished part its place, and removes what earlier attempts have left of it. Durable when it returns the
    /// path below the volume. The draft cannot be written to afterwards. Throws `full`, `io`.
    public func placePart(
        _ draft: DraftFile,
        of export: ExportID,
        number: Int,
        fence: Int64
    ) async throws(StorageError) -> String {
        let path = StorageLayout.archive(of: export, number: number, fence: fence)
        try await threads.run { () throws(StorageError) in
            try draft.file.sync()
            let directory = try draft.volume.durableDirectory(path.dropLast())
            guard let name = path.last, try draft.file.link(as: name, in: directory) else {
                throw StorageError(errno: EEXIST, "link", "\(directory.path)/\(path.last ?? "")")
            }
            try directory.sync()
        }
        for volume in volumes { try await removeParts(of: export, number: number, on: volume) { $0 < fence } }
        return StorageLayout.path(path)
    }

    /// Removes what one attempt has placed; for a worker that has lost its lease.
    public func removePart(of export: ExportID, number: Int, fence: Int64) async throws(StorageError) {
        for volume in volumes { try await removeParts(of: export, number: number, on: volume) { $0 == fence } }
    }

    /// Removes every archive of an export. What is being downloaded stays readable until that ends.
    public func removeExport(_ export: ExportID) async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            for volume in volumes { try volume.remove(StorageLayout.archives(of: export)) }
        }
    }

    private func removeParts(
        of export: ExportID,
        number: Int,
        on volume: Volume,
        where isUnwanted: @escaping @Sendable (Int64) -> Bool
    ) async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            let names = StorageLayout.archives(of: export)
            try unlessMissing { () throws(StorageError) in
                let directory = try volume.directory(names)
                for name in try directory.names() {
                    let place = StorageLayout.Place(names + [name])
                    guard case .archive(export, number: number, let fence) = place else { continue }
                    if isUnwanted(fence) { try directory.remove(name) }
                }
            }
            try volume.removeIfEmpty(names)
        }
    }
}
