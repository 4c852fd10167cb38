import Blocking
import FaultPoints
public import Models

extension LocalStorage {
    /// Opens a spool file on the first volume with room.
    ///
    /// - Parameters:
    ///   - bytes: The declared length: its blocks are taken now, and what is not used is given back. Nil if it is not
    ///     known.
    ///   - most: What it may have at most. Volumes with less room come last, since it cannot move once it has begun.
    /// - Returns: An empty file.
    /// - Throws: `full` if no volume has the room; `io`.
    public func spool(
        expecting bytes: Int64?,
        upTo most: Int64? = nil
    ) async throws(StorageError) -> SpoolFile {
        let bytes = max(0, bytes ?? 0)
        return try await threads.run { () throws(StorageError) -> SpoolFile in
            for volume in try candidates(for: bytes, upTo: most) {
                do throws(StorageError) {
                    return try SpoolFile(on: volume, expecting: bytes, reserve: reserve, threads: threads)
                } catch  where error.kind == .full {
                    // Inodes or quota: the counters of blocks do not show them.
                    continue
                }
            }
            throw noRoom
        }
    }

    /// Gives a finished file its place: `originals/<company>/<ab>/<sha256>`.
    ///
    /// A file that is there already is the same bytes; that is no error.
    ///
    /// - Parameters:
    ///   - file: The bytes.
    ///   - company: Whose they are.
    /// - Returns: What the row says of it.
    /// - Throws: `full`, `io`, or `outsideVolume` if something that is no file has the name.
    public func place(_ file: FinishedSpool, of company: CompanyID) async throws(StorageError) -> StoredFile {
        try await place([file], of: company)
        return file.stored
    }

    /// Puts all files of one request on stable storage, gives them their places, and syncs each directory once.
    ///
    /// After an error some of them may be in place. Without a row they are what the collector removes.
    ///
    /// - Parameters:
    ///   - files: The bytes.
    ///   - company: Whose they are.
    /// - Returns: What the rows say of them, in the same order.
    /// - Throws: `full`, `io`, or `outsideVolume` if something that is no file has a name.
    @discardableResult
    public func place(_ files: [FinishedSpool], of company: CompanyID) async throws(StorageError) -> [StoredFile] {
        try await threads.run { () throws(StorageError) -> [StoredFile] in
            // The first sync commits what the file system knows of all of them.
            for file in files { try file.sync() }
            FaultPoint.apiSynced.reach()
            var touched: [String: Directory] = [:]
            for file in files {
                let directory = try file.volume.durableDirectory(Self.originals(of: company, file.sha256))
                try file.link(in: directory)
                touched[directory.path] = directory
            }
            for directory in touched.values { try directory.sync() }
            return files.map(\.stored)
        }
    }
}
