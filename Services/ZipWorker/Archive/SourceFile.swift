import Glibc

/// A source of an archive, open for reading.
struct SourceFile: ~Copyable {
    /// Its size now.
    let bytes: Int64
    /// The file system it lies on.
    let device: dev_t
    let descriptor: Int32

    /// Opens a regular file and nothing else; no symbolic link is followed and no pipe waited for.
    init(_ path: String) throws(SourceFailure) {
        let flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK
        let opened = uninterrupted { open(path, flags) }
        guard opened >= 0 else { throw SourceFailure(errno: errno, "open") }
        var status = stat()
        let result = fstat(opened, &status)
        let number = errno
        guard result == 0, status.st_mode & Glibc.S_IFMT == Glibc.S_IFREG else {
            close(opened)
            throw result == 0 ? .source(.unreadable(errno: EINVAL)) : SourceFailure(errno: number, "fstat")
        }
        descriptor = opened
        bytes = Int64(status.st_size)
        device = status.st_dev
    }

    deinit { close(descriptor) }

    /// Fills the buffer from an offset, less only at the end of the file.
    borrowing func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(SourceFailure) -> Int {
        var filled = 0
        while filled < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let position = off_t(offset) + off_t(filled)
            let count = uninterrupted { pread(descriptor, rest.baseAddress, rest.count, position) }
            guard count >= 0 else { throw SourceFailure(errno: errno, "read") }
            if count == 0 { break }
            filled += count
        }
        return filled
    }
}
