/// An entry that is deflated into its place. Its local header is written last, when size and sums are known.
struct DeflatedEntry: ~Copyable {
    private let name: String
    private let time: EntryTime
    private let output: ArchiveOutput
    private let offset: Int64
    private let dataOffset: Int64
    private var deflater: Deflater
    private var sums: Checksums
    private var writeBack = WriteBack()
    private var bytes: Int64 = 0
    /// Size of the data so far, in bytes.
    private(set) var storedBytes: Int64 = 0

    /// Begins an entry.
    ///
    /// - Parameters:
    ///   - name: Its name.
    ///   - modified: Its time.
    ///   - output: The archive.
    ///   - offset: Where the entry begins.
    ///   - mayBeLarge: True unless it is known to stay below 4 GiB.
    ///   - hashes: Whether its SHA-256 is wanted.
    /// - Throws: `io` if there is no memory.
    init(
        name: String,
        modified: EntryTime,
        output: ArchiveOutput,
        at offset: Int64,
        mayBeLarge: Bool,
        hashes: Bool
    ) throws(ArchiveError) {
        self.name = name
        time = modified
        self.output = output
        self.offset = offset
        dataOffset = EntryHeader.dataOffset(name: name, time: time, at: offset, mayBeLarge: mayBeLarge)
        deflater = try Deflater()
        sums = Checksums(hashes: hashes)
    }

    /// Where the next entry begins.
    var end: Int64 { dataOffset + storedBytes }

    /// Appends the next bytes; `isLast` ends the data.
    mutating func append(_ piece: UnsafeRawBufferPointer, isLast: Bool) throws(ArchiveError) {
        sums.add(piece)
        bytes += Int64(piece.count)
        var end = self.end
        var writeBack = self.writeBack
        try deflater.add(piece, isLast: isLast) { deflated throws(ArchiveError) in
            let written = end..<end + Int64(deflated.count)
            try output.write(deflated, at: written.lowerBound)
            try writeBack.wrote(written, to: output)
            end = written.upperBound
        }
        self.writeBack = writeBack
        storedBytes = end - dataOffset
    }

    /// Writes the local header.
    ///
    /// - Returns: The headers, and the sums of what was appended.
    /// - Throws: `full`, `io`.
    borrowing func finish() throws(ArchiveError) -> (header: EntryHeader, sums: Checksums) {
        let header = EntryHeader(
            name: name,
            time: time,
            method: .deflated,
            crc32: sums.crc32,
            storedBytes: storedBytes,
            bytes: bytes,
            offset: offset
        )
        try output.write(header.local(dataOffset: dataOffset), at: offset)
        return (header, sums)
    }
}
