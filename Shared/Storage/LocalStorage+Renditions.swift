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
    /// stay. Results will stay on `volume`, so that placing them is a rename. Throws `full`, `io`.
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
            guard renameat(workspace.descriptor, file, directory.descriptor, name) == 0 else {
                throw .last("rename", "\(directory.path)/\(name)")
            }
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
