import Blocking
import Glibc
public import Models

extension LocalStorage {
    /// Moves a finished work file to its place: `renditions/<xx>/<asset>/<fence>/<name>`. Durable when it returns.
    ///
    /// The fence in the path keeps a worker that has lost its lease from overwriting the work of the next.
    ///
    /// - Parameters:
    ///   - path: Absolute, in a workspace on the same volume.
    ///   - asset: Whose rendition it is.
    ///   - fence: Of the attempt that made it.
    ///   - name: With its extension, e.g. `thumbnail.jpg`. A file of that name from the same attempt is replaced.
    ///   - volume: Where it stays.
    /// - Returns: The path below the volume, for the row, and the size.
    /// - Throws: `missing`, `outsideVolume` for a path or a name that is none, `full`, `io`.
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
            let source = path.dropFirst(volume.root.count + 1).split(separator: "/", omittingEmptySubsequences: false)
            guard let file = source.last.map(String.init) else { throw StorageError(.outsideVolume, path) }
            let workspace = try volume.directory(source.dropLast().map(String.init))
            let bytes = try workspace.syncFile(file)

            let place = Self.renditions(of: asset) + ["\(fence)"]
            let directory = try volume.durableDirectory(place)
            guard renameat(workspace.descriptor, file, directory.descriptor, name) == 0 else {
                throw .last("rename", "\(directory.path)/\(name)")
            }
            try directory.sync()
            return ((place + [name]).joined(separator: "/"), bytes)
        }
    }

    /// Removes what one attempt has placed; for a worker that has lost its lease.
    public func removeRenditions(of asset: AssetID, fence: Int64, on volume: Volume) async throws(StorageError) {
        try await removeRenditions(of: asset, on: volume) { $0 == fence }
    }

    /// Removes what killed attempts have left. What a later attempt has placed stays: the caller may have lost its
    /// lease without knowing.
    public func removeRenditions(of asset: AssetID, except fence: Int64, on volume: Volume) async throws(StorageError) {
        try await removeRenditions(of: asset, on: volume) { $0 < fence }
    }

    private func removeRenditions(
        of asset: AssetID,
        on volume: Volume,
        where isUnwanted: @escaping @Sendable (Int64) -> Bool
    ) async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            let names = Self.renditions(of: asset)
            do throws(StorageError) {
                try volume.directory(names).removeAttempts(where: isUnwanted)
                try volume.directory(names.dropLast()).removeIfEmpty(asset.description)
            } catch  where error.kind == .missing {
                return
            }
        }
    }

    static func renditions(of asset: AssetID) -> [String] {
        // The end of a UUIDv7 is random; its beginning is the time.
        ["renditions", String(asset.description.suffix(2)), asset.description]
    }
}

extension Directory {
    /// Removes the directories named by the fences of attempts.
    func removeAttempts(where isUnwanted: (Int64) -> Bool) throws(StorageError) {
        for name in try names() {
            if let fence = Int64(name), isUnwanted(fence) { try remove(name) }
        }
    }

    /// Puts a file that another program has written on stable storage, and gives its size.
    func syncFile(_ name: String) throws(StorageError) -> Int64 {
        try Self.check(name)
        let path = "\(path)/\(name)"
        let file = uninterrupted { openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
        guard file >= 0 else { throw .last("open", path) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .last("stat", path) }
        guard status.st_mode & Glibc.S_IFMT == Glibc.S_IFREG else { throw StorageError(.outsideVolume, path) }
        guard fdatasync(file) == 0 else { throw .last("fdatasync", path) }
        return Int64(status.st_size)
    }
}
