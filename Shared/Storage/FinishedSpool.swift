import Glibc
public import Models
import Synchronization

/// A whole upload, still without a name: `LocalStorage.place` puts it on stable storage and gives it one. Dropped before
/// that, it is gone.
public final class FinishedSpool: Sendable {
    /// The volume it lies on.
    public let volume: Volume
    /// Of the whole file.
    public var sha256: SHA256Digest { stored.sha256 }
    /// Of the whole file, as ZIP stores it.
    public var crc32: UInt32 { stored.crc32 }
    /// Size in bytes.
    public var bytes: Int64 { stored.bytes }

    let stored: StoredFile
    private let file: TemporaryFile
    private let isSynced: Bool

    init(file: consuming TemporaryFile, isSynced: Bool, volume: Volume, stored: StoredFile) {
        self.file = file
        self.isSynced = isSynced
        self.volume = volume
        self.stored = stored
    }

    /// Puts the bytes on stable storage.
    func sync() throws(StorageError) {
        if !isSynced { try file.sync() }
    }

    /// Gives the file its content address in a directory, or touches the file that has it already, so that a
    /// collector of old files sees it is wanted.
    func link(in directory: Directory) throws(StorageError) {
        let name = sha256.description
        // A collector may remove the other file between the two calls.
        for _ in 0..<3 {
            if try file.link(as: name, in: directory) { return }
            guard let existing = try directory.status(name) else { continue }
            let path = "\(directory.path)/\(name)"
            guard existing.st_mode & Glibc.S_IFMT == Glibc.S_IFREG else { throw StorageError(.outsideVolume, path) }
            // Same digest, other size: the stored original is damaged and must not be taken for this one.
            guard existing.st_size == off_t(bytes) else { throw StorageError(errno: EEXIST, "link", path) }
            if utimensat(directory.descriptor, name, nil, AT_SYMLINK_NOFOLLOW) == 0 { return }
            guard errno == ENOENT else { throw .last("utimensat", path) }
        }
        throw StorageError(errno: EEXIST, "link", directory.path)
    }
}
