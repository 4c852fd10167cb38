import Blocking
import Foundation
import Glibc

extension LocalStorage {
    /// Where files stay that rows speak of. What else lies on a volume is not ours.
    private static let roots = [["originals"], ["renditions"], ["exports"], ["spool", "uploads"], ["spool", "jobs"]]
    private static let batch = 500

    /// Hands over every file of a volume, some hundred at a time, in no order. What comes or goes meanwhile may be among
    /// them or not. Symbolic links are files of their own, and never followed.
    ///
    /// - Parameters:
    ///   - volume: The volume.
    ///   - body: Takes the next files.
    /// - Throws: `StorageError`, and what `body` throws.
    public func eachFile(on volume: Volume, _ body: ([FoundFile]) async throws -> Void) async throws {
        var directories = Self.roots
        var found: [FoundFile] = []
        while let directory = directories.popLast() {
            let content = try await content(of: directory, on: volume)
            directories += content.directories
            found += content.files
            if found.count >= Self.batch {
                try await body(found)
                found = []
            }
        }
        if !found.isEmpty { try await body(found) }
    }

    private func content(
        of names: [String],
        on volume: Volume
    ) async throws(StorageError) -> (directories: [[String]], files: [FoundFile]) {
        try await threads.run { () throws(StorageError) -> (directories: [[String]], files: [FoundFile]) in
            do throws(StorageError) {
                return try volume.directory(names).content(below: names, of: volume)
            } catch  where error.kind == .missing {
                return ([], [])
            }
        }
    }
}

extension Directory {
    fileprivate func content(
        below names: [String],
        of volume: Volume
    ) throws(StorageError) -> (directories: [[String]], files: [FoundFile]) {
        var directories: [[String]] = []
        var files: [FoundFile] = []
        for name in try self.names() {
            guard let status = try status(name) else { continue }
            let path = names + [name]
            if status.st_mode & Glibc.S_IFMT == Glibc.S_IFDIR {
                directories.append(path)
            } else {
                files.append(FoundFile(path, status, on: volume))
            }
        }
        return (directories, files)
    }
}

extension FoundFile {
    init(_ names: [String], _ status: stat, on volume: Volume) {
        let seconds = Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9
        let path = names.joined(separator: "/")
        self.init(
            volume: volume.name,
            path: path,
            place: Place(path: path),
            bytes: Int64(status.st_size),
            modified: Date(timeIntervalSince1970: seconds)
        )
    }
}
