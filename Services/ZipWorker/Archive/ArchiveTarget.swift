/// What all threads that write one archive share.
struct ArchiveTarget: Sendable {
    let output: ArchiveOutput
    let clones = CloneMemory()
    /// Whether the archive's file system shares blocks.
    let sharesBlocks: Bool
    let interruption: Interruption
    /// Says of the next cloned file whether it is read to compare its CRC-32.
    let verifies: @Sendable () -> Bool
}
