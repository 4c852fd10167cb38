import CZlib
import Glibc

/// zlib's compressor, giving raw deflate as ZIP holds it.
struct Deflater: ~Copyable {
    /// Fast, and with most of the gain: documents are deflated while somebody waits.
    private static let level: Int32 = 2
    /// The largest window, negative for no header of zlib's own.
    private static let rawWindow: Int32 = -15
    private static let memoryLevel: Int32 = 8

    // zlib keeps the address of its stream.
    private let stream: UnsafeMutablePointer<z_stream>
    private let output: UnsafeMutableRawBufferPointer

    /// Takes its memory, about half a mebibyte.
    init() throws(ArchiveError) {
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
        output = .allocate(byteCount: 256 << 10, alignment: 16)
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
        output.deallocate()
    }

    /// Forgets everything, to begin another entry.
    mutating func reset() { deflateReset(stream) }

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
        stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.assumingMemoryBound(to: Bytef.self).baseAddress)
        stream.pointee.avail_in = uInt(bytes.count)
        repeat {
            stream.pointee.next_out = output.assumingMemoryBound(to: Bytef.self).baseAddress
            stream.pointee.avail_out = uInt(output.count)
            // It can only say that it could do nothing, which the room left says too.
            deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
            let count = output.count - Int(stream.pointee.avail_out)
            if count > 0 { try write(UnsafeRawBufferPointer(rebasing: output[..<count])) }
        } while stream.pointee.avail_out == 0
    }
}
