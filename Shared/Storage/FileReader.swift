import Glibc

/// A regular file that is open for reading at offsets. Stored files never change, so its size stays what it was.
public final class FileReader: Sendable {
    public let path: String
    /// In bytes, when it was opened.
    public let size: Int64
    /// The file system it lies on (`st_dev`): files of two cannot share blocks.
    public let device: UInt64
    /// The source of a clone; open for as long as this value lives.
    public let descriptor: Int32

    /// Opens a file. Only the last component of the path is checked not to be a symbolic link: the path comes from
    /// `LocalStorage.path`, which checks the others. Blocks.
    ///
    /// - Throws: `missing`; `outsideVolume` for a symbolic link and for what is no regular file, of which a pipe is not
    ///   waited for; `io`.
    public convenience init(path: String) throws(StorageError) {
        try self.init(path, at: AT_FDCWD, path: path)
    }

    convenience init(_ name: String, in directory: Directory) throws(StorageError) {
        try Directory.check(name)
        try self.init(name, at: directory.descriptor, path: "\(directory.path)/\(name)")
    }

    private init(_ name: String, at directory: Int32, path: String) throws(StorageError) {
        let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
        let descriptor = uninterrupted { openat(directory, name, flags) }
        guard descriptor >= 0 else { throw .last("open", path) }
        do throws(StorageError) {
            let status = try FileStatus(of: descriptor, path)
            guard status.isRegular else { throw StorageError(.outsideVolume, path) }
            size = status.size
            device = status.device
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// Fills the whole buffer with the bytes from an offset. Blocks.
    ///
    /// - Throws: `io(ESTALE)` if the file ends before that: it was cut after it was opened. `io`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(StorageError) {
        var filled = 0
        while filled < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let position = off_t(offset) + off_t(filled)
            let count = uninterrupted { pread(descriptor, rest.baseAddress, rest.count, position) }
            guard count >= 0 else { throw .last("read", path) }
            guard count > 0 else { throw StorageError(errno: ESTALE, "read", path) }
            filled += count
        }
    }

    /// Reads all of it and sums it up. Blocks.
    func sums() throws(StorageError) -> RunningSums {
        var sums = RunningSums()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        while sums.bytes < size {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(Int(min(1 << 20, size - sums.bytes))))
            try read(into: piece, at: sums.bytes)
            sums.update(UnsafeRawBufferPointer(piece))
        }
        return sums
    }

    /// Drops what was read from the page cache: it is read once and not worth what it would displace.
    func dropFromCache() {
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    }
}
