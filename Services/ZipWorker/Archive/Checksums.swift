import CDeflate
import Crypto
import Models

/// CRC-32 of bytes in their order, and SHA-256 where it is asked for.
struct Checksums {
    /// Of what has been added.
    private(set) var crc32: UInt32 = 0
    private var hash: SHA256?

    init(hashes: Bool) {
        hash = hashes ? SHA256() : nil
    }

    /// SHA-256 of what has been added; nil if it was not asked for.
    var sha256: Models.SHA256Digest? { hash.flatMap { Models.SHA256Digest(bytes: $0.finalize()) } }

    /// Adds the next bytes.
    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        // An empty piece may have no address, which libdeflate takes for the wish to start again.
        guard !bytes.isEmpty else { return }
        crc32 = libdeflate_crc32(crc32, bytes.baseAddress, bytes.count)
        hash?.update(bufferPointer: bytes)
    }
}
