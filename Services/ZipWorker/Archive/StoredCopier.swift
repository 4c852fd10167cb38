import Glibc

/// Brings stored files into their places, one after another; each thread has its own.
struct StoredCopier: ~Copyable {
    private let target: ArchiveTarget
    private let buffer = ChunkBuffer(count: 1 << 20)
    private var writeBack = WriteBack()

    init(_ target: ArchiveTarget) {
        self.target = target
    }

    /// Clones what can be cloned, copies the rest, and writes the local header.
    ///
    /// - Returns: What became of the file.
    /// - Throws: `source` if it cannot be read; what is in its place by then is of no use.
    mutating func copy(_ entry: StoredEntry) throws(SourceFailure) -> ArchivedEntry {
        let source = try SourceFile(entry.file.source.path)
        guard source.bytes == entry.bytes else { throw .source(.unreadable(errno: ESTALE)) }
        let claim = SourceClaim(entry.file.source, found: entry.bytes)
        let cloned = try forArchive { () throws(ArchiveError) in
            try target.clones.clone(source, into: target.output, at: entry.dataOffset)
        }
        target.interruption.advance(cloned)

        // What passes through memory is summed in passing.
        let isRead = cloned == 0 || claim.isIncomplete || target.verifies()
        var sums = isRead ? Checksums(hashes: claim.sha256 == nil) : nil
        try copy(source, to: entry.dataOffset, after: cloned, sums: &sums)
        let archived = try claim.entry(named: entry.file.name, bytes: entry.bytes, sums: sums) {
            () throws(SourceFailure) in
            try buffer.sha256(of: source, unless: target.interruption)
        }
        try writeHeader(of: entry, archived)
        return archived
    }

    /// Reads the whole file if it is summed, and writes what is not there yet.
    private mutating func copy(
        _ source: borrowing SourceFile,
        to start: Int64,
        after present: Int64,
        sums: inout Checksums?
    ) throws(SourceFailure) {
        var offset = sums == nil ? present : 0
        while offset < source.bytes {
            let piece = try buffer.fill(from: source, at: offset, end: source.bytes)
            sums?.add(piece)
            let end = offset + Int64(piece.count)
            let new = UnsafeRawBufferPointer(rebasing: piece.dropFirst(Int(max(0, present - offset))))
            let position = start + end - Int64(new.count)
            try forArchive { () throws(ArchiveError) in
                try target.interruption.check()
                // Nothing was written there yet: a hole holds the same and takes no room.
                if !new.isZero { try write(new, at: position) }
            }
            target.interruption.advance(Int64(new.count))
            offset = end
        }
    }

    private mutating func writeHeader(of entry: StoredEntry, _ archived: ArchivedEntry) throws(SourceFailure) {
        let header = entry.header(of: archived).local(dataOffset: entry.dataOffset)
        try forArchive { () throws(ArchiveError) in
            try target.output.write(header, at: entry.offset)
            try writeBack.wrote(entry.offset..<entry.dataOffset, to: target.output)
        }
    }

    private mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(ArchiveError) {
        try target.output.write(bytes, at: offset)
        try writeBack.wrote(offset..<offset + Int64(bytes.count), to: target.output)
    }
}
