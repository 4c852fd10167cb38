import Blocking
import FaultPoints
public import Foundation
import Glibc

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
        guard try await threads.run({ () throws(StorageError) in try volume.setAside(file) }) else {
            return false
        }
        FaultPoint.collectorAside.reach()
        let isOld = try await threads.run { () throws(StorageError) in
            try volume.modified(aside: file).map { $0 <= latest } ?? false
        }
        do {
            guard isOld, try await isUnused() else {
                try await putBack(file.asideName, on: volume)
                return false
            }
        } catch {
            try await putBack(file.asideName, on: volume)
            throw error
        }
        try await threads.run { () throws(StorageError) in
            try volume.directory(StorageLayout.collected).remove(file.asideName)
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

    private func putBack(_ name: String, on volume: Volume) async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            let path = StorageLayout.names(aside: name)
            guard let last = path.last else { return }
            let aside = try volume.directory(StorageLayout.collected)
            let directory = try volume.durableDirectory(path.dropLast())
            // A file that has come to its place meanwhile has the same bytes.
            guard linkat(aside.descriptor, name, directory.descriptor, last, 0) == 0 || errno == EEXIST else {
                if errno == ENOENT { return }
                throw .last("link", "\(directory.path)/\(last)")
            }
            try directory.sync()
            try aside.remove(name)
        }
    }
}

extension FoundFile {
    fileprivate var asideName: String { StorageLayout.asideName(of: names) }
}

extension Volume {
    /// False if the file is not there any more.
    fileprivate func setAside(_ file: FoundFile) throws(StorageError) -> Bool {
        let target = try durableDirectory(StorageLayout.collected)
        do throws(StorageError) {
            guard let name = file.names.last else { return false }
            let directory = try directory(file.names.dropLast())
            guard renameat(directory.descriptor, name, target.descriptor, file.asideName) == 0 else {
                throw .last("rename", "\(directory.path)/\(name)")
            }
            return true
        } catch  where error.kind == .missing {
            return false
        }
    }

    fileprivate func modified(aside file: FoundFile) throws(StorageError) -> Date? {
        try directory(StorageLayout.collected).status(file.asideName)?.modified
    }

    fileprivate func removeEmptyDirectories(above names: [String]) throws(StorageError) {
        for directory in StorageLayout.ownDirectories(above: names) {
            guard try removeIfEmpty(directory) else { return }
        }
    }
}
