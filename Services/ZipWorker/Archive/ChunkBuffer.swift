import Glibc
import Models

/// Memory that a thread reads into, piece by piece.
struct ChunkBuffer: ~Copyable {
    let bytes: UnsafeMutableRawBufferPointer

    init(count: Int) {
        bytes = .allocate(byteCount: count, alignment: 4096)
    }

    deinit { bytes.deallocate() }

    /// Reads the next piece of a file that ends at `end`.
    ///
    /// - Throws: The source's problem if it ends earlier: it was cut after it was surveyed.
    borrowing func fill(
        from source: borrowing SourceFile,
        at offset: Int64,
        end: Int64
    ) throws(SourceFailure) -> UnsafeRawBufferPointer {
        let wanted = Int(min(Int64(bytes.count), end - offset))
        let piece = UnsafeMutableRawBufferPointer(rebasing: bytes[..<wanted])
        guard try source.read(into: piece, at: offset) == wanted else {
            throw .source(.unreadable(errno: ESTALE))
        }
        return UnsafeRawBufferPointer(piece)
    }

    /// Reads a whole file for its SHA-256.
    borrowing func sha256(
        of source: borrowing SourceFile,
        unless interruption: Interruption
    ) throws(SourceFailure) -> SHA256Digest? {
        var sums = Checksums(hashes: true)
        var offset: Int64 = 0
        while offset < source.bytes {
            try forArchive { () throws(ArchiveError) in try interruption.check() }
            let piece = try fill(from: source, at: offset, end: source.bytes)
            sums.add(piece)
            offset += Int64(piece.count)
        }
        return sums.sha256
    }
}

extension UnsafeRawBufferPointer {
    /// True if every byte is 0. Told by the first byte of almost everything that is not.
    var isZero: Bool {
        guard let start = baseAddress, first == 0 else { return isEmpty }
        return memcmp(start, start + 1, count - 1) == 0
    }
}
