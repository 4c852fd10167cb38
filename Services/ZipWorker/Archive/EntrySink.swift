/// Takes the text of an entry as it is made, and deflates it into the archive.
///
/// Appending never fails: after an error it does nothing, and `ArchiveWriter.add` throws that error. So it fits any
/// closure that hands out text.
struct EntrySink: ~Copyable {
    private let interruption: Interruption
    private let chunk = ChunkBuffer(count: 256 << 10)
    private var filled = 0
    private var entry: DeflatedEntry
    private var error: ArchiveError?

    init(_ entry: consuming DeflatedEntry, interruption: Interruption) {
        self.entry = entry
        self.interruption = interruption
    }

    /// Appends text as UTF-8.
    mutating func append(_ text: String) { append(text.utf8) }

    /// Appends bytes, in pieces of any size.
    mutating func append(_ bytes: some Collection<UInt8>) {
        var rest = bytes[...]
        while !rest.isEmpty, error == nil {
            let room = UnsafeMutableRawBufferPointer(rebasing: chunk.bytes[filled...])
            let piece = rest.prefix(room.count)
            room.copyBytes(from: piece)
            filled += piece.count
            rest = rest[piece.endIndex...]
            if filled == chunk.bytes.count { deflate(isLast: false) }
        }
    }

    /// Ends the entry.
    ///
    /// - Returns: Its header, the sums of its text, and where the next entry begins.
    /// - Throws: What went wrong since the first byte.
    consuming func finish() throws(ArchiveError) -> (header: EntryHeader, sums: Checksums, end: Int64) {
        deflate(isLast: true)
        if let error { throw error }
        let (header, sums) = try entry.finish()
        return (header, sums, entry.end)
    }

    private mutating func deflate(isLast: Bool) {
        guard error == nil else { return }
        do throws(ArchiveError) {
            try entry.append(UnsafeRawBufferPointer(rebasing: chunk.bytes[..<filled]), isLast: isLast)
            interruption.advance(Int64(filled))
            filled = 0
            try interruption.check()
        } catch {
            self.error = error
        }
    }
}
