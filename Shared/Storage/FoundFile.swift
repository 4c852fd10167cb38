import Blocking
import FaultPoints
public import Foundation
import Glibc
public import Models

/// A file that lies on a volume, and what its place says it is.
public struct FoundFile: Hashable, Sendable {
    public let volume: String
    /// Below the volume, as rows say it.
    public let path: String
    public let place: StorageLayout.Place
    public let bytes: Int64
    /// When it was last written, or wanted by an upload of the same bytes.
    public let modified: Date

    init(_ names: [String], _ status: FileStatus, on volume: Volume) {
        self.volume = volume.name
        path = StorageLayout.path(names)
        place = StorageLayout.Place(names)
        bytes = status.size
        modified = status.modified
    }

    var names: [String] { StorageLayout.names(path) }
}

/// What lies on the volumes, to be compared with what the rows say.
extension LocalStorage {
    /// Files handed over at once, at least, while there are more.
    private static let batch = 500

    /// Visits every file of a volume, some hundred at a time, in no order. What comes or goes meanwhile may be among
    /// them or not. Symbolic links are files of their own, and never followed.
    public func eachFile(on volume: Volume, _ body: ([FoundFile]) async throws -> Void) async throws {
        var directories = StorageLayout.kept
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

    /// The sizes of files at paths below their volumes, in the same order; nil for what is no file, or on no volume of
    /// this process. Throws `outsideVolume` for an invalid path; `io`.
    public func bytes(of files: [(volume: String, path: String)]) async throws(StorageError) -> [Int64?] {
        try await threads.run { () throws(StorageError) -> [Int64?] in
            var sizes: [Int64?] = []
            for file in files {
                do throws(StorageError) {
                    sizes.append(try self.bytes(of: file.path, on: try volume(named: file.volume)))
                } catch  where error.kind == .missing || error.kind == .unknownVolume {
                    sizes.append(nil)
                }
            }
            return sizes
        }
    }

    /// Reads a file, at a path below the volume, to its end.
    public func sha256(of path: String, on volume: String) async throws(StorageError) -> SHA256Digest? {
        let volume = try self.volume(named: volume)
        return try await threads.run { () throws(StorageError) -> SHA256Digest? in
            let names = StorageLayout.names(path)
            let file = try FileReader(names.last ?? "", in: try volume.directory(names.dropLast()))
            defer { file.dropFromCache() }
            return try file.sums().digest
        }
    }

    private func bytes(of path: String, on volume: Volume) throws(StorageError) -> Int64? {
        let names = StorageLayout.names(path)
        let name = names.last ?? ""
        try Directory.check(name)
        let status = try volume.directory(names.dropLast()).status(name)
        guard let status, status.isRegular else { return nil }
        return status.size
    }

    private func content(
        of names: [String],
        on volume: Volume
    ) async throws(StorageError) -> (directories: [[String]], files: [FoundFile]) {
        try await threads.run { () throws(StorageError) -> (directories: [[String]], files: [FoundFile]) in
            var directories: [[String]] = []
            var files: [FoundFile] = []
            try unlessMissing { () throws(StorageError) in
                let directory = try volume.directory(names)
                for name in try directory.names() {
                    guard let status = try directory.status(name) else { continue }
                    let path = names + [name]
                    if status.isDirectory {
                        directories.append(path)
                    } else {
                        files.append(FoundFile(path, status, on: volume))
                    }
                }
            }
            return (directories, files)
        }
    }
}

/// How files that no row names are removed.
///
/// An upload may want such a file at any moment: it finds its bytes in place, touches the file and commits a row of it.
/// So a file is first set aside under another name. From then on an upload places its own, and what one did before
/// shows in the file's time. Only a file that is old after that is asked for once more, and removed.
extension LocalStorage {
    /// Removes a file, with the directories it leaves empty, unless it was touched after `latest` or is in use after
    /// all; says whether it is gone. `isUnused` looks once more, while nobody can come upon the file. After an error
    /// the file is where it was, or where `restoreAside` finds it.
    public func remove(
        _ file: FoundFile,
        untouchedSince latest: Date,
        ifStill isUnused: () async throws -> Bool
    ) async throws -> Bool {
        let volume = try volume(named: file.volume)
        guard let aside = try await threads.run({ () throws(StorageError) in try volume.setAside(file) }) else {
            return false
        }
        FaultPoint.collectorAside.reach()
        let isOld = try await threads.run { () throws(StorageError) in
            try aside.directory.status(aside.name).map { $0.modified <= latest } ?? false
        }
        do {
            guard isOld, try await isUnused() else {
                try await putBack(aside.entry, on: volume)
                return false
            }
        } catch {
            try await putBack(aside.entry, on: volume)
            throw error
        }
        try await threads.run { () throws(StorageError) in
            try aside.directory.remove(aside.name)
            try volume.directory(StorageLayout.collected).remove(aside.entry)
            try volume.removeEmptyDirectories(above: file.names)
        }
        FaultPoint.collectorRemoved.reach()
        return true
    }

    /// Puts back what a process that was killed had set aside.
    public func restoreAside() async throws(StorageError) {
        for volume in volumes {
            let names = try await threads.run { () throws(StorageError) in
                try volume.durableDirectory(StorageLayout.collected).names()
            }
            for name in names { try await putBack(name, on: volume) }
        }
    }

    /// `entry` is a name among the collected.
    private func putBack(_ entry: String, on volume: Volume) async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            let isBeside = entry.hasSuffix(StorageLayout.besideSuffix)
            let suffix = isBeside ? StorageLayout.besideSuffix.count : 0
            let path = StorageLayout.names(aside: String(entry.dropLast(suffix)))
            guard let last = path.last else { return }
            let collected = try volume.directory(StorageLayout.collected)
            let directory = try volume.durableDirectory(path.dropLast())
            let (aside, name) = isBeside ? (directory, last + StorageLayout.besideSuffix) : (collected, entry)
            // A file that has come to its place meanwhile has the same bytes.
            let result = linkat(aside.descriptor, name, directory.descriptor, last, 0)
            guard result == 0 || errno == EEXIST || errno == ENOENT else {
                throw .last("link", "\(directory.path)/\(last)")
            }
            try directory.sync()
            try aside.remove(name)
            if isBeside { try collected.remove(entry) }
        }
    }
}

extension FoundFile {
    fileprivate var asideName: String { StorageLayout.asideName(of: names) }
}

/// Where a file is while it is set aside.
private struct Aside: Sendable {
    let directory: Directory
    let name: String
    /// Its name among the collected.
    let entry: String
}

extension Volume {
    /// Nil if the file is not there any more.
    fileprivate func setAside(_ file: FoundFile) throws(StorageError) -> Aside? {
        let collected = try durableDirectory(StorageLayout.collected)
        do throws(StorageError) {
            guard let name = file.names.last else { return nil }
            let directory = try directory(file.names.dropLast())
            if renameat(directory.descriptor, name, collected.descriptor, file.asideName) == 0 {
                return Aside(directory: collected, name: file.asideName, entry: file.asideName)
            }
            guard errno == EXDEV else { throw .last("rename", "\(directory.path)/\(name)") }
            // Whoever comes after a death finds the file by the entry.
            let aside = Aside(
                directory: directory,
                name: name + StorageLayout.besideSuffix,
                entry: file.asideName + StorageLayout.besideSuffix
            )
            try collected.makeFile(aside.entry)
            try collected.sync()
            guard renameat(directory.descriptor, name, directory.descriptor, aside.name) == 0 else {
                throw .last("rename", "\(directory.path)/\(name)")
            }
            return aside
        } catch  where error.kind == .missing {
            return nil
        }
    }

    fileprivate func removeEmptyDirectories(above names: [String]) throws(StorageError) {
        for directory in StorageLayout.ownDirectories(above: names) {
            guard try removeIfEmpty(directory) else { return }
        }
    }
}
