public import Config
import Foundation

/// Where files go: the volumes, in the order they are filled.
public struct StorageSettings: Sendable {
    /// One directory on a disk of its own.
    public struct Location: Hashable, Sendable {
        /// What rows call it: lower-case letters, digits and `-`. It stays the same when the disk moves.
        public let name: String
        /// Absolute path of the directory. It must exist: an unmounted disk is not replaced by an empty directory.
        public let path: String

        public init(name: String, path: String) {
            self.name = name
            self.path = path
        }
    }

    public var volumes: [Location]
    /// Free space, in bytes, that is kept on each volume.
    public var reserve: Int64
    /// Threads that hash and write. A sync holds one of them until the disk answers.
    public var threads: Int

    public init(volumes: [Location], reserve: Int64 = 1 << 30, threads: Int = 16) {
        self.volumes = volumes
        self.reserve = reserve
        self.threads = threads
    }

    /// Reads `VOLUMES` (`name=/path`, separated by commas) and `VOLUME_RESERVE_BYTES` (1 GiB).
    public init(reader: SettingsReader) throws(SettingsError) {
        let example = "main=/media/main,second=/media/second"
        let text = try reader.required("VOLUMES", example: example)
        var volumes: [Location] = []
        for entry in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let volume = Location(entry) else {
                throw SettingsError(variable: "VOLUMES", problem: "has no name=/path in \"\(entry)\"", example: example)
            }
            if volumes.contains(where: { $0.name == volume.name || $0.path == volume.path }) {
                throw SettingsError(variable: "VOLUMES", problem: "names \"\(entry)\" twice", example: example)
            }
            volumes.append(volume)
        }
        self.init(volumes: volumes, reserve: try reader.bytes("VOLUME_RESERVE_BYTES", default: 1 << 30))
    }
}

extension StorageSettings.Location {
    /// Reads `name=/path`; nil for anything else.
    fileprivate init?(_ entry: Substring) {
        guard let separator = entry.firstIndex(of: "=") else { return nil }
        let name = entry[..<separator].trimmingCharacters(in: .whitespaces)
        var path = entry[entry.index(after: separator)...].trimmingCharacters(in: .whitespaces)
        while path.count > 1, path.last == "/" { path.removeLast() }
        let isName = name.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }
        guard isName, (1...63).contains(name.count), path.hasPrefix("/") else { return nil }
        self.init(name: name, path: path)
    }
}
