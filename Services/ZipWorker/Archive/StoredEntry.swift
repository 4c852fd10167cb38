/// The place of a file that is stored as it is. It is known before any byte moves, so that threads can work side by
/// side.
struct StoredEntry: Sendable {
    let file: ArchiveFile
    /// Size of the file, in bytes.
    let bytes: Int64
    /// Where the local header begins.
    let offset: Int64
    /// Where the data begins.
    let dataOffset: Int64
    private let time: EntryTime

    init(_ file: ArchiveFile, bytes: Int64, at offset: Int64) {
        self.file = file
        self.bytes = bytes
        self.offset = offset
        time = EntryTime(file.modified)
        dataOffset = EntryHeader.dataOffset(
            name: file.name,
            time: time,
            at: offset,
            mayBeLarge: bytes.needs64Bits
        )
    }

    /// Where the next entry begins.
    var end: Int64 { dataOffset + bytes }

    /// Its headers, once it is known what it holds.
    func header(of archived: ArchivedEntry) -> EntryHeader {
        EntryHeader(
            name: file.name,
            time: time,
            method: .stored,
            crc32: archived.content?.crc32 ?? 0,
            storedBytes: bytes,
            bytes: bytes,
            offset: offset
        )
    }
}
