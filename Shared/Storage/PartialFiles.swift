import Blocking
import Glibc

/// The partial files of the volumes: `spool/uploads/<name>`. Whoever writes one holds its lock, which the kernel drops
/// with the process.
extension LocalStorage {
    private static let directory = ["spool", "uploads"]

    /// Makes an empty partial file on the first volume with room, and locks it. Its name is durable when it returns.
    ///
    /// - Parameters:
    ///   - name: Nothing has it yet.
    ///   - bytes: The declared length, for which blocks are taken now; nil if it is not known.
    ///   - most: What it may have at most. Volumes with less room come last, since it cannot move once it has begun.
    /// - Returns: The file, open.
    /// - Throws: `full` if no volume has the room; `io`.
    public func makePartial(
        _ name: String,
        expecting bytes: Int64?,
        upTo most: Int64? = nil
    ) async throws(StorageError) -> PartialFile {
        let bytes = max(0, bytes ?? 0)
        return try await threads.run { () throws(StorageError) -> PartialFile in
            for volume in try candidates(for: bytes, upTo: most) {
                do throws(StorageError) {
                    let directory = try volume.durableDirectory(Self.directory)
                    let file = try directory.makeReserved(name, bytes, on: volume)
                    return partial(file, on: volume, expecting: bytes)
                } catch  where error.kind == .full {
                    // Inodes or quota: the counters of blocks do not show them.
                    continue
                }
            }
            throw noRoom
        }
    }

    /// Opens a partial file and locks it, unless somebody else holds the lock. It stands at its beginning: `resume`
    /// tells where it goes on, once the caller has read what nobody else can change any more.
    ///
    /// - Parameters:
    ///   - name: As it was made.
    ///   - volume: The name of the one it was made on.
    /// - Returns: The file; nil if another holds the lock.
    /// - Throws: `missing` if it is gone; `unknownVolume`; `io`.
    public func lockPartial(_ name: String, on volume: String) async throws(StorageError) -> PartialFile? {
        let volume = try self.volume(named: volume)
        return try await threads.run { () throws(StorageError) -> PartialFile? in
            guard let file = try volume.directory(Self.directory).openLocked(name, on: volume) else { return nil }
            return partial(file, on: volume, expecting: 0)
        }
    }

    /// Removes a partial file; it is no error if there is none. Whoever has it open may go on, to no avail.
    public func removePartial(_ name: String, on volume: String) async throws(StorageError) {
        let volume = try self.volume(named: volume)
        try await threads.run { () throws(StorageError) in
            do throws(StorageError) {
                try volume.directory(Self.directory).remove(name)
            } catch  where error.kind == .missing {
                return
            }
        }
    }

    /// Removes a partial file unless somebody holds its lock; it is no error if there is none.
    ///
    /// - Returns: Whether it is gone.
    public func removeUnusedPartial(_ name: String, on volume: String) async throws(StorageError) -> Bool {
        do throws(StorageError) {
            guard let file = try await lockPartial(name, on: volume) else { return false }
            try await removePartial(name, on: volume)
            await file.close()
            return true
        } catch  where error.kind == .missing {
            return true
        }
    }

    private func partial(_ file: consuming TemporaryFile, on volume: Volume, expecting bytes: Int64) -> PartialFile {
        let content = PartialContent(file: file, volume: volume, expected: bytes, reserve: reserve, sums: RunningSums())
        return PartialFile(content, on: volume, threads: threads)
    }
}

extension Directory {
    /// Makes a file with room for `bytes` and a durable name; no name stays if that cannot be.
    fileprivate func makeReserved(
        _ name: String,
        _ bytes: Int64,
        on volume: Volume
    ) throws(StorageError) -> TemporaryFile {
        let file = try makeLocked(name, on: volume)
        do throws(StorageError) {
            try file.reserve(bytes)
            try sync()
        } catch {
            try remove(name)
            throw error
        }
        return file
    }

    private func makeLocked(_ name: String, on volume: Volume) throws(StorageError) -> TemporaryFile {
        guard let file = try locked(name, O_CREAT | O_EXCL, on: volume) else {
            throw StorageError(errno: EWOULDBLOCK, "flock", "\(path)/\(name)")
        }
        return file
    }

    /// Nil if another open file has the lock.
    fileprivate func openLocked(_ name: String, on volume: Volume) throws(StorageError) -> TemporaryFile? {
        try locked(name, 0, on: volume)
    }

    private func locked(_ name: String, _ flags: Int32, on volume: Volume) throws(StorageError) -> TemporaryFile? {
        try Self.check(name)
        let flags = flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC
        let opened = uninterrupted { openat(descriptor, name, flags, 0o640) }
        guard opened >= 0 else { throw .last("open", "\(path)/\(name)") }
        guard uninterrupted({ flock(opened, LOCK_EX | LOCK_NB) }) == 0 else {
            let error = StorageError.last("flock", "\(path)/\(name)")
            close(opened)
            guard case .io(EWOULDBLOCK, _) = error.kind else { throw error }
            return nil
        }
        let file = TemporaryFile(adopting: opened, in: volume.spool)
        var status = stat()
        guard fstat(opened, &status) == 0 else { throw .last("stat", "\(path)/\(name)") }
        // Whoever held the lock before may have removed the name.
        guard status.st_nlink > 0 else { throw StorageError(.missing, "\(path)/\(name)") }
        return file
    }
}
