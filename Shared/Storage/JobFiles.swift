import Blocking
import Glibc
public import Models

/// A directory of one attempt's own. What is not moved out of it goes with it.
public struct Workspace: Sendable {
    /// Absolute path, for programs that take one.
    public let path: String
    /// The volume it lies on; a rendition placed from here stays there.
    public let volume: Volume

    let job: JobID
    let fence: Int64
    let threads: BlockingThreads

    /// Removes it with all that is in it. If the process dies first, the job's next attempt does; of a job that needs none
    /// any more, since its asset was deleted, the collector.
    public func remove() async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            try volume.remove(StorageLayout.work(of: job, fence: fence))
            try volume.removeIfEmpty(StorageLayout.work(of: job))
        }
    }
}

/// What the attempts of jobs make of assets.
extension LocalStorage {
    /// Makes the directory of one attempt, empty, and removes those of the attempts before it; those of later attempts
    /// stay. What is placed from it stays on `volume`. Throws `full`, `io`.
    public func workspace(
        for job: JobID,
        fence: Int64,
        on volume: Volume
    ) async throws(StorageError) -> Workspace {
        try await threads.run { () throws(StorageError) -> Workspace in
            let names = StorageLayout.work(of: job, fence: fence)
            let directory = try volume.durableDirectory(names.dropLast())
            try directory.removeAttempts { $0 <= fence }
            let own = try directory.makeDirectory("\(fence)").directory
            return Workspace(path: own.path, volume: volume, job: job, fence: fence, threads: threads)
        }
    }

    /// Moves a finished work file (`path`, absolute, in a workspace on the same volume) to its place. Durable when it
    /// returns the path below the volume and the size. A file of that name from the same attempt is replaced; `name`
    /// has its extension, e.g. `thumbnail.jpg`. Throws `missing`, `outsideVolume` for an invalid path or name, `full`,
    /// `io`.
    public func placeRendition(
        from path: String,
        asset: AssetID,
        fence: Int64,
        name: String,
        on volume: Volume
    ) async throws(StorageError) -> (path: String, bytes: Int64) {
        try await threads.run { () throws(StorageError) -> (path: String, bytes: Int64) in
            try Directory.check(name)
            guard path.hasPrefix(volume.root + "/") else { throw StorageError(.outsideVolume, path) }
            let source = StorageLayout.names(String(path.dropFirst(volume.root.count + 1)))
            guard let file = source.last else { throw StorageError(.outsideVolume, path) }
            let workspace = try volume.directory(source.dropLast())
            let bytes = try workspace.syncFile(file)

            let place = StorageLayout.renditions(of: asset, fence: fence)
            let directory = try volume.durableDirectory(place)
            try workspace.move(file, to: directory, as: name)
            try directory.sync()
            return (StorageLayout.path(place + [name]), bytes)
        }
    }

    /// Removes what one attempt has placed; for a worker that has lost its lease.
    public func removeRenditions(of asset: AssetID, fence: Int64, on volume: Volume) async throws(StorageError) {
        try await removeRenditions(of: asset, on: volume) { $0 == fence }
    }

    /// Removes what killed attempts have left. What a later attempt has placed stays: the caller may have lost its
    /// lease without knowing.
    public func removeRenditions(of asset: AssetID, before fence: Int64, on volume: Volume) async throws(StorageError) {
        try await removeRenditions(of: asset, on: volume) { $0 < fence }
    }

    private func removeRenditions(
        of asset: AssetID,
        on volume: Volume,
        where isUnwanted: @escaping @Sendable (Int64) -> Bool
    ) async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            let names = StorageLayout.renditions(of: asset)
            try unlessMissing { () throws(StorageError) in try volume.directory(names).removeAttempts(where: isUnwanted)
            }
            try volume.removeIfEmpty(names)
        }
    }
}

extension Directory {
    /// Removes the directories named by the fences of attempts.
    fileprivate func removeAttempts(where isUnwanted: (Int64) -> Bool) throws(StorageError) {
        for name in try names() {
            if let fence = StorageLayout.fence(ofDirectory: name), isUnwanted(fence) { try remove(name) }
        }
    }

    /// Puts a file that another program has written on stable storage, and gives its size.
    fileprivate func syncFile(_ name: String) throws(StorageError) -> Int64 {
        let file = try FileReader(name, in: self)
        guard fdatasync(file.descriptor) == 0 else { throw .last("fdatasync", file.path) }
        return file.size
    }
}

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
