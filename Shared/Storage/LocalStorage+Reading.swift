import Blocking
import COpenSSL
import Glibc
public import Models

extension LocalStorage {
    private static let piece = 1 << 20

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
            let directory = try volume.directory(names.dropLast())
            let descriptor = uninterrupted {
                openat(directory.descriptor, names.last ?? "", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            }
            guard descriptor >= 0 else { throw .last("open", path) }
            defer { close(descriptor) }
            return try Self.sha256(of: descriptor, path)
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

    private static func sha256(of descriptor: Int32, _ path: String) throws(StorageError) -> SHA256Digest? {
        var sums = PartialSums()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 4096)
        defer { buffer.deallocate() }
        while true {
            let count = uninterrupted { read(descriptor, buffer.baseAddress, buffer.count) }
            guard count >= 0 else { throw .last("read", path) }
            guard count > 0 else { break }
            sums.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        // What is read once is not worth what it would drive out of the cache.
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
        return sums.digest
    }
}
