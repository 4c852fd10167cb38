import CLinux
import Glibc
import Synchronization

/// Shares blocks of sources with the archive, and remembers which file systems cannot.
final class CloneMemory: Sendable {
    private let refusing = Mutex<Set<dev_t>>([])

    /// Makes the whole blocks of a source appear in the archive without copying them.
    ///
    /// - Parameters:
    ///   - source: The file.
    ///   - output: The archive.
    ///   - offset: Where they shall be, a multiple of `EntryHeader.alignment`.
    /// - Returns: How many bytes need no copying; 0 where the file systems cannot share.
    /// - Throws: `full`. Anything else that goes wrong is left for the copying to find.
    func clone(
        _ source: borrowing SourceFile,
        into output: ArchiveOutput,
        at offset: Int64
    ) throws(ArchiveError) -> Int64 {
        let bytes = source.bytes & ~(EntryHeader.alignment - 1)
        let device = source.device
        guard bytes > 0, !refusing.withLock({ $0.contains(device) }) else { return 0 }
        let descriptor = source.descriptor
        if uninterrupted({ linux_clone_start(descriptor, bytes, output.descriptor, offset) }) == 0 { return bytes }
        switch errno {
        case ENOSPC, EDQUOT: throw .full
        case EOPNOTSUPP, EXDEV, EINVAL, ENOTTY, ENOSYS: _ = refusing.withLock { $0.insert(device) }
        default: break
        }
        return 0
    }
}
