import Blocking
import Glibc
public import Models

extension LocalStorage {
    /// The sizes of files that rows speak of.
    ///
    /// - Parameter files: Volumes, and paths below them.
    /// - Returns: In the same order; nil for what is no file, or on no volume of this process.
    /// - Throws: `outsideVolume` for a path that is none; `io`.
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

    /// Reads a file to its end and sums it up.
    ///
    /// - Parameters:
    ///   - path: Below the volume.
    ///   - volume: Its name.
    /// - Returns: The SHA-256 of its bytes.
    /// - Throws: `missing`; `unknownVolume`; `io`.
    public func sha256(of path: String, on volume: String) async throws(StorageError) -> SHA256Digest? {
        let volume = try self.volume(named: volume)
        return try await threads.run { () throws(StorageError) -> SHA256Digest? in
            let names = path.split(separator: "/").map(String.init)
            let file = try FileReader(names.last ?? "", in: try volume.directory(names.dropLast()))
            defer { file.dropFromCache() }
            return try file.sums().digest
        }
    }

    private func bytes(of path: String, on volume: Volume) throws(StorageError) -> Int64? {
        let names = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard let name = names.last else { return nil }
        try Directory.check(name)
        let status = try volume.directory(names.dropLast()).status(name)
        guard let status, status.st_mode & Glibc.S_IFMT == Glibc.S_IFREG else { return nil }
        return Int64(status.st_size)
    }
}
