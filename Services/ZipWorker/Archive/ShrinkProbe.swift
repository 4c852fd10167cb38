import CDeflate
import Glibc

/// Tells quickly whether a piece of a file is worth deflating: a small sample of it is, by a faster compressor.
struct ShrinkProbe: ~Copyable {
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
