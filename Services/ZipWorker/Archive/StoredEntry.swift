import CLinux
import Glibc
import Models
import Storage
import Synchronization

/// The place of a file that is stored as it is. It is known before any byte moves, so that threads can work side by
/// side.
struct StoredEntry: Sendable {
    let file: ArchiveFile
    let bytes: Int64
    /// Where the local header begins.
    let offset: Int64
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
    /// - Throws: `source` if it cannot be read; what is in its place by then is of no use.
    mutating func copy(_ entry: StoredEntry) throws(SourceFailure) -> ArchivedEntry {
        let source = try entry.file.open()
        guard source.size == entry.bytes else { throw .source(.unreadable) }
        let expected = ExpectedChecksums(entry.file, found: entry.bytes)
        let cloned = try forArchive { () throws(ArchiveError) in
            try target.reflinks.clone(source, into: target.output, at: entry.dataOffset)
        }
        target.progress.advance(cloned)

        // What passes through memory is summed in passing.
        let isRead = cloned == 0 || expected.isIncomplete || target.verifies()
        var sums = isRead ? RunningSums(hashes: expected.sha256 == nil) : nil
        try copy(source, to: entry.dataOffset, after: cloned, sums: &sums)
        let archived = try expected.entry(named: entry.file.name, bytes: entry.bytes, sums: sums) {
            () throws(SourceFailure) in
            try buffer.sha256(of: source, unless: target.progress)
        }
        try writeHeader(of: entry, archived)
        return archived
    }

    /// Reads the whole file if it is summed, and writes what is not there yet.
    private mutating func copy(
        _ source: FileReader,
        to start: Int64,
        after present: Int64,
        sums: inout RunningSums?
    ) throws(SourceFailure) {
        var offset = sums == nil ? present : 0
        while offset < source.size {
            let piece = try buffer.fill(from: source, at: offset, end: source.size)
            sums?.update(piece)
            let end = offset + Int64(piece.count)
            let new = UnsafeRawBufferPointer(rebasing: piece.dropFirst(Int(max(0, present - offset))))
            let position = start + end - Int64(new.count)
            try forArchive { () throws(ArchiveError) in
                try target.progress.check()
                // Nothing was written there yet: a hole holds the same and takes no room.
                if !new.isZero { try write(new, at: position) }
            }
            target.progress.advance(Int64(new.count))
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

/// Shares blocks of sources with the archive, and remembers which file systems cannot.
final class ReflinkSupport: Sendable {
    private let refusing = Mutex<Set<UInt64>>([])

    /// Makes the whole blocks of a source appear in the archive without copying them, at a multiple of
    /// `EntryHeader.alignment`.
    /// It gives how many bytes need no copying; 0 where the file systems cannot share.
    ///
    /// - Throws: `full`. Anything else that goes wrong is left for the copying to find.
    func clone(
        _ source: FileReader,
        into output: ArchiveOutput,
        at offset: Int64
    ) throws(ArchiveError) -> Int64 {
        let bytes = source.size & ~(EntryHeader.alignment - 1)
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

/// Memory that a thread reads into, piece by piece.
struct ChunkBuffer: ~Copyable {
    let bytes: UnsafeMutableRawBufferPointer

    init(count: Int) {
        bytes = .allocate(byteCount: count, alignment: 4096)
    }

    deinit { bytes.deallocate() }

    /// Reads the next piece of a file, and nothing beyond `end`. A file that ends earlier was cut after it was opened.
    borrowing func fill(
        from source: FileReader,
        at offset: Int64,
        end: Int64
    ) throws(SourceFailure) -> UnsafeRawBufferPointer {
        let piece = UnsafeMutableRawBufferPointer(rebasing: bytes[..<Int(min(Int64(bytes.count), end - offset))])
        do throws(StorageError) { try source.read(into: piece, at: offset) } catch { throw SourceFailure(error) }
        return UnsafeRawBufferPointer(piece)
    }

    /// Reads a whole file for its SHA-256.
    borrowing func sha256(of source: FileReader, unless progress: CopyProgress) throws(SourceFailure) -> SHA256Digest? {
        var sums = RunningSums()
        while sums.bytes < source.size {
            try forArchive { () throws(ArchiveError) in try progress.check() }
            sums.update(try fill(from: source, at: sums.bytes, end: source.size))
        }
        return sums.digest
    }
}

extension UnsafeRawBufferPointer {
    /// True if every byte is 0. Told by the first byte of almost everything that is not.
    var isZero: Bool {
        guard let start = baseAddress, first == 0 else { return isEmpty }
        return memcmp(start, start + 1, count - 1) == 0
    }
}
