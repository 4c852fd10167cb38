import Foundation
import Glibc

/// A volume has a file at its root with its name in it. It goes where the disk goes: an empty directory in the place of a
/// disk that is not mounted has none, and one of two disks that were mistaken for each other has the other's.
extension StorageSettings.Location {
    public static let marker = ".tolva-volume"

    /// Whether the directory is this volume: false if it was never used, or its disk is not mounted. Blocks.
    ///
    /// - Throws: `MistakenVolume` if it is another volume; `StorageError` if it cannot be read.
    public func isMarked() throws -> Bool {
        let root = try Directory(root: path)
        guard let name = try root.text(of: Self.marker) else { return false }
        guard name == self.name else { throw MistakenVolume(location: self, found: name) }
        return true
    }

    /// Makes the directory this volume. Several processes may do so at once. Blocks.
    public func mark() throws(StorageError) {
        let root = try Directory(root: path)
        let unfinished = "\(Self.marker).\(UUID())"
        do throws(StorageError) {
            try root.write("\(name)\n", to: unfinished)
            guard renameat(root.descriptor, unfinished, root.descriptor, Self.marker) == 0 else {
                throw .last("rename", "\(path)/\(Self.marker)")
            }
        } catch {
            unlinkat(root.descriptor, unfinished, 0)
            throw error
        }
        try root.sync()
    }
}

/// A directory that is another volume than `VOLUMES` says.
struct MistakenVolume: Error, CustomStringConvertible {
    let location: StorageSettings.Location
    let found: String

    var description: String {
        "volume \(location.name): \(location.path) is volume \(found), as its \(StorageSettings.Location.marker) says. See VOLUMES, and where the disks are mounted."
    }
}

/// A directory in the place of a volume whose disk is not mounted.
public struct UnmountedVolume: Error, CustomStringConvertible {
    private let location: StorageSettings.Location

    /// For a volume that was used before.
    public init(_ location: StorageSettings.Location) {
        self.location = location
    }

    public var found: String {
        "\(location.path) has no \(StorageSettings.Location.marker), but the volume was in use: its disk is not mounted"
    }

    public var action: String {
        "Mount it and start again. If its files are all there: echo \(location.name) >\(location.path)/\(StorageSettings.Location.marker)"
    }

    public var description: String { "volume \(location.name): \(found). \(action)" }
}

extension Directory {
    /// Longer than any name of a volume.
    private static let maximumTextBytes = 256

    /// What stands in a short file, without the line's end; nil if there is none.
    fileprivate func text(of name: String) throws(StorageError) -> String? {
        let file = uninterrupted { openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) }
        if file < 0, errno == ENOENT { return nil }
        guard file >= 0 else { throw .last("open", "\(path)/\(name)") }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: Self.maximumTextBytes)
        let count = uninterrupted { read(file, &bytes, bytes.count) }
        guard count >= 0 else { throw .last("read", "\(path)/\(name)") }
        return String(decoding: bytes.prefix(count), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Makes a short file whose content is on stable storage.
    fileprivate func write(_ text: String, to name: String) throws(StorageError) {
        let file = uninterrupted { openat(descriptor, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640) }
        guard file >= 0 else { throw .last("open", "\(path)/\(name)") }
        defer { close(file) }
        let bytes = Array(text.utf8)
        guard uninterrupted({ Glibc.write(file, bytes, bytes.count) }) == bytes.count else {
            throw .last("write", "\(path)/\(name)")
        }
        guard fsync(file) == 0 else { throw .last("fsync", "\(path)/\(name)") }
    }
}
