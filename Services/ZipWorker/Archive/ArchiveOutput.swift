import CLinux
import Glibc

/// The file an archive is written to. Threads may write different parts of it at once.
struct ArchiveOutput: Sendable {
    /// Open for reading and writing; the caller's.
    let descriptor: Int32

    /// Writes all of the bytes.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(ArchiveError) {
        var rest = bytes[...]
        var offset = off_t(offset)
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let count = uninterrupted { pwrite(descriptor, part.baseAddress, part.count, offset) }
            guard count > 0 else {
                throw count == 0 ? .full : .last("write")
            }
            rest = rest.dropFirst(count)
            offset += off_t(count)
        }
    }

    /// Writes all of the bytes.
    func write(_ bytes: [UInt8], at offset: Int64) throws(ArchiveError) {
        let outcome = bytes.withUnsafeBytes { buffer in
            Result { () throws(ArchiveError) in try write(buffer, at: offset) }
        }
        try outcome.get()
    }

    /// Makes the file end here.
    func truncate(to bytes: Int64) throws(ArchiveError) {
        guard uninterrupted({ ftruncate(descriptor, off_t(bytes)) }) == 0 else { throw .last("ftruncate") }
    }

    /// Sends a range on its way to the disk and does not wait for it.
    func startWriteBack(_ range: Range<Int64>) throws(ArchiveError) {
        let count = off_t(range.upperBound - range.lowerBound)
        let result = uninterrupted {
            sync_file_range(descriptor, off_t(range.lowerBound), count, UInt32(SYNC_FILE_RANGE_WRITE))
        }
        // Only speed is lost where the file system cannot do it.
        guard result == 0 || errno == ENOSYS || errno == EINVAL || errno == ESPIPE else {
            throw .last("sync_file_range")
        }
    }
}
