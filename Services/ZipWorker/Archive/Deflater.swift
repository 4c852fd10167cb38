import CZlib
import Glibc

/// zlib's compressor, giving raw deflate as ZIP holds it.
///
/// What does not shrink costs it ten times the time of what does: pictures within a document are stored, by a level that
/// changes with the bytes.
struct Deflater: ~Copyable {
    /// Fast, and with most of the gain: documents are deflated while somebody waits.
    private static let level: Int32 = 2
    /// The largest window, negative for no header of zlib's own.
    private static let rawWindow: Int32 = -15
    private static let memoryLevel: Int32 = 8

    // zlib keeps the address of its stream.
    private let stream: UnsafeMutablePointer<z_stream>
    private let output: UnsafeMutableRawBufferPointer
    private let probe: ShrinkProbe
    private var level = Self.level

    /// Takes its memory, about a mebibyte.
    init() throws(ArchiveError) {
        let probe = try ShrinkProbe()
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

    /// Compresses the next bytes.
    ///
    /// - Parameters:
    ///   - bytes: The next of the entry.
    ///   - isLast: Ends the entry.
    ///   - write: Gets what comes out, in pieces it must not keep.
    /// - Throws: What `write` throws.
    mutating func add<Failure: Error>(
        _ bytes: UnsafeRawBufferPointer,
        isLast: Bool,
        write: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var rest = bytes[...]
        repeat {
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(ShrinkProbe.pieceBytes))
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
