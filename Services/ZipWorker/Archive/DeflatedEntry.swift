import CDeflate
import CZlib
import Glibc
import Storage

/// An entry that is deflated into its place. Its local header is written last, when size and sums are known.
struct DeflatedEntry: ~Copyable {
    private let name: String
    private let time: EntryTime
    private let output: ArchiveOutput
    private let offset: Int64
    private let dataOffset: Int64
    private var deflater: Deflater
    private var sums: RunningSums
    private var writeBack = WriteBack()
    /// Size of the data so far, in bytes.
    private(set) var storedBytes: Int64 = 0

    /// Begins an entry at `offset`. `mayBeLarge` is true unless it is known to stay below 4 GiB, `hashes` if its
    /// SHA-256 is wanted.
    ///
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
        sums = RunningSums(hashes: hashes)
    }

    /// Where the next entry begins.
    var end: Int64 { dataOffset + storedBytes }

    /// Appends the next bytes; `isLast` ends the data.
    mutating func append(_ piece: UnsafeRawBufferPointer, isLast: Bool) throws(ArchiveError) {
        sums.update(piece)
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
    borrowing func finish() throws(ArchiveError) -> (header: EntryHeader, sums: RunningSums) {
        let header = EntryHeader(
            name: name,
            time: time,
            method: .deflated,
            crc32: sums.crc32,
            storedBytes: storedBytes,
            bytes: sums.bytes,
            offset: offset
        )
        try output.write(header.local(dataOffset: dataOffset), at: offset)
        return (header, sums)
    }
}

/// Takes the text of an entry as it is made, and deflates it into the archive.
///
/// Appending never fails: after an error it does nothing, and `ArchiveWriter.add` throws that error. So it fits any
/// closure that hands out text.
struct TextEntry: ~Copyable {
    private let progress: CopyProgress
    private let chunk = ChunkBuffer(count: 256 << 10)
    private var filled = 0
    private var entry: DeflatedEntry
    private var error: ArchiveError?

    init(_ entry: consuming DeflatedEntry, progress: CopyProgress) {
        self.entry = entry
        self.progress = progress
    }

    mutating func append(_ text: String) { append(text.utf8) }

    /// Pieces may have any size.
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
    /// - Returns: Its header, the checksums of its text, and where the next entry begins.
    /// - Throws: What went wrong since the first byte.
    consuming func finish() throws(ArchiveError) -> (header: EntryHeader, sums: RunningSums, end: Int64) {
        deflate(isLast: true)
        if let error { throw error }
        let (header, sums) = try entry.finish()
        return (header, sums, entry.end)
    }

    private mutating func deflate(isLast: Bool) {
        guard error == nil else { return }
        do throws(ArchiveError) {
            try entry.append(UnsafeRawBufferPointer(rebasing: chunk.bytes[..<filled]), isLast: isLast)
            progress.advance(Int64(filled))
            filled = 0
            try progress.check()
        } catch {
            self.error = error
        }
    }
}

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

    /// Deflates a file, or stores it if that made it no smaller. Its entry begins at `offset`; nothing of the archive
    /// lies behind that.
    ///
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
        let source = try file.open()
        guard source.size == bytes else { throw .source(.unreadable) }
        let expected = ExpectedChecksums(file, found: bytes)
        var entry = try forArchive { () throws(ArchiveError) in
            try DeflatedEntry(
                name: file.name,
                modified: EntryTime(file.modified),
                output: target.output,
                at: offset,
                mayBeLarge: bytes.needs64Bits,
                hashes: expected.sha256 == nil
            )
        }
        var position: Int64 = 0
        while position < bytes {
            let piece = try buffer.fill(from: source, at: position, end: bytes)
            position += Int64(piece.count)
            try forArchive { () throws(ArchiveError) in
                try target.progress.check()
                try entry.append(piece, isLast: position == bytes)
            }
            guard entry.storedBytes < bytes else { return nil }
            target.progress.advance(Int64(piece.count))
        }
        let (header, sums) = try forArchive { () throws(ArchiveError) in try entry.finish() }
        let archived = try expected.entry(named: file.name, bytes: bytes, sums: sums) { () throws(SourceFailure) in
            try buffer.sha256(of: source, unless: target.progress)
        }
        return Placed(entry: archived, header: header, end: entry.end)
    }
}

/// zlib's compressor, giving raw deflate as ZIP holds it.
///
/// What does not shrink costs it ten times the time of what does: pictures within a document are stored, by a level
/// that changes with the bytes.
struct Deflater: ~Copyable {
    /// Fast, and with most of the gain: documents are deflated while somebody waits.
    private static let level: Int32 = 2
    /// The largest window, negative for no header of zlib's own.
    private static let rawWindow: Int32 = -15
    private static let memoryLevel: Int32 = 8

    // zlib keeps the address of its stream.
    private let stream: UnsafeMutablePointer<z_stream>
    private let output: UnsafeMutableRawBufferPointer
    private let probe: CompressibilityProbe
    private var level = Self.level

    /// Takes its memory, about a mebibyte.
    init() throws(ArchiveError) {
        let probe = try CompressibilityProbe()
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let result = deflateInit2_(
            stream,
            Self.level,
            Z_DEFLATED,
            Self.rawWindow,
            Self.memoryLevel,
            Z_DEFAULT_STRATEGY,
            ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size)
        )
        guard result == Z_OK else {
            stream.deallocate()
            throw ArchiveError(errno: result == Z_MEM_ERROR ? ENOMEM : EINVAL, "deflate")
        }
        self.stream = stream
        self.probe = probe
        output = .allocate(byteCount: 256 << 10, alignment: 16)
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
        output.deallocate()
    }

    /// Forgets everything, to begin another entry.
    mutating func reset() {
        deflateReset(stream)
    }

    /// Compresses the next bytes; `isLast` ends the entry. `write` gets what comes out, in pieces it must not keep.
    mutating func add<Failure: Error>(
        _ bytes: UnsafeRawBufferPointer,
        isLast: Bool,
        write: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var rest = bytes[...]
        repeat {
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(CompressibilityProbe.pieceBytes))
            rest = rest.dropFirst(piece.count)
            try choose(level: probe.shrinks(piece) ? Self.level : Z_NO_COMPRESSION, write: write)
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: piece.assumingMemoryBound(to: Bytef.self).baseAddress
            )
            stream.pointee.avail_in = uInt(piece.count)
            let flush = isLast && rest.isEmpty ? Z_FINISH : Z_NO_FLUSH
            // It can only say that it could do nothing, which the room left says too.
            try drain(to: write) { _ = deflate($0, flush) }
        } while !rest.isEmpty
    }

    private mutating func choose<Failure: Error>(
        level: Int32,
        write: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        guard level != self.level else { return }
        self.level = level
        stream.pointee.avail_in = 0
        try drain(to: write) { _ = deflateParams($0, level, Z_DEFAULT_STRATEGY) }
    }

    /// Calls zlib until it has no more to give.
    private func drain<Failure: Error>(
        to write: (UnsafeRawBufferPointer) throws(Failure) -> Void,
        _ step: (UnsafeMutablePointer<z_stream>) -> Void
    ) throws(Failure) {
        repeat {
            stream.pointee.next_out = output.assumingMemoryBound(to: Bytef.self).baseAddress
            stream.pointee.avail_out = uInt(output.count)
            step(stream)
            let count = output.count - Int(stream.pointee.avail_out)
            if count > 0 { try write(UnsafeRawBufferPointer(rebasing: output[..<count])) }
        } while stream.pointee.avail_out == 0
    }
}

/// Tells quickly whether a piece of a file is worth deflating: a small sample of it is, by a faster compressor.
struct CompressibilityProbe: ~Copyable {
    /// What one answer is for.
    static let pieceBytes = 64 << 10

    private static let sampleBytes = 4 << 10
    private static let fastest: Int32 = 1

    private let compressor: OpaquePointer
    private let output: UnsafeMutableRawBufferPointer

    init() throws(ArchiveError) {
        guard let compressor = libdeflate_alloc_compressor(Self.fastest) else {
            throw ArchiveError(errno: ENOMEM, "deflate")
        }
        self.compressor = compressor
        output = .allocate(byteCount: Self.sampleBytes, alignment: 16)
    }

    deinit {
        libdeflate_free_compressor(compressor)
        output.deallocate()
    }

    /// True if a sample from the middle loses three hundredths or more.
    borrowing func shrinks(_ piece: UnsafeRawBufferPointer) -> Bool {
        guard piece.count > Self.sampleBytes else { return true }
        let start = (piece.count - Self.sampleBytes) / 2
        let sample = UnsafeRawBufferPointer(rebasing: piece[start..<start + Self.sampleBytes])
        let room = sample.count * 97 / 100
        // It gives 0 for what does not fit.
        return libdeflate_deflate_compress(compressor, sample.baseAddress, sample.count, output.baseAddress, room) > 0
    }
}
