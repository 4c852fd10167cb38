import Glibc

/// Brings files into the archive that deflate well, one after another: where one begins is known only when the one
/// before it has ended.
struct FileDeflater: ~Copyable {
    /// A file that is in the archive.
    struct Placed: Sendable {
        let entry: ArchivedEntry
        let header: EntryHeader
        let end: Int64
    }

    private let target: ArchiveTarget
    private let buffer = ChunkBuffer(count: 256 << 10)
    private var copier: StoredCopier

    init(_ target: ArchiveTarget) {
        self.target = target
        copier = StoredCopier(target)
    }

    /// Deflates a file, or stores it if that made it no smaller.
    ///
    /// - Parameters:
    ///   - file: The file.
    ///   - bytes: Its size.
    ///   - offset: Where its entry begins. Nothing of the archive lies behind that.
    /// - Returns: What became of it.
    /// - Throws: `source` if it cannot be read; what is behind `offset` by then is of no use.
    mutating func add(_ file: ArchiveFile, bytes: Int64, at offset: Int64) throws(SourceFailure) -> Placed {
        if let placed = try deflate(file, bytes: bytes, at: offset) { return placed }
        try forArchive { () throws(ArchiveError) in try target.output.truncate(to: offset) }
        let place = StoredEntry(file, bytes: bytes, at: offset)
        let entry = try copier.copy(place)
        return Placed(entry: entry, header: place.header(of: entry), end: place.end)
    }

    /// Nil if it would be no smaller.
    private func deflate(_ file: ArchiveFile, bytes: Int64, at offset: Int64) throws(SourceFailure) -> Placed? {
        let source = try SourceFile(file.source.path)
        guard source.bytes == bytes else { throw .source(.unreadable(errno: ESTALE)) }
        let claim = SourceClaim(file.source, found: bytes)
        var entry = try forArchive { () throws(ArchiveError) in
            try DeflatedEntry(
                name: file.name,
                modified: EntryTime(file.modified),
                output: target.output,
                at: offset,
                mayBeLarge: bytes.needs64Bits,
                hashes: claim.sha256 == nil
            )
        }
        var position: Int64 = 0
        while position < bytes {
            let piece = try buffer.fill(from: source, at: position, end: bytes)
            position += Int64(piece.count)
            try forArchive { () throws(ArchiveError) in
                try target.interruption.check()
                try entry.append(piece, isLast: position == bytes)
            }
            guard entry.storedBytes < bytes else { return nil }
            target.interruption.advance(Int64(piece.count))
        }
        let (header, sums) = try forArchive { () throws(ArchiveError) in try entry.finish() }
        let archived = try claim.entry(named: file.name, bytes: bytes, sums: sums) { () throws(SourceFailure) in
            try buffer.sha256(of: source, unless: target.interruption)
        }
        return Placed(entry: archived, header: header, end: entry.end)
    }
}
