/// What all threads that write one archive share.
struct ArchiveTarget: Sendable {
    let output: ArchiveOutput
    let clones = CloneMemory()
    let interruption: Interruption
    /// Says of the next cloned file whether it is read to compare its CRC-32.
    let verifies: @Sendable () -> Bool
}
