/// How archives are written.
struct ArchiveSettings: Hashable, Sendable {
    /// Files copied at once. The archive's threads must be at least as many.
    var copyThreads = 2
    /// Whether the archive's file system shares blocks. The archive then gets its length before its files: on XFS a clone
    /// behind the end of a file takes four times as long as one within it.
    var sharesBlocks = false
    /// The share, 0…1, of cloned files that are read all the same to compare their CRC-32. A file whose bytes pass
    /// through memory is always compared.
    var verifyShare = 0.0
    /// A cancelled archive is still finished if no more than this is left to copy, in bytes.
    var finishBytes: Int64 = 256 << 20
}
