import CDeflate
import Glibc
public import Models

/// The sums of a file's first bytes, in a form that another process can go on from.
public struct PartialSums: Sendable {
    /// How many bytes they are of.
    public private(set) var bytes: Int64
    private var crc32: UInt32
    private var sha256: RunningSHA256

    /// Of no bytes.
    public init() {
        bytes = 0
        crc32 = 0
        sha256 = RunningSHA256()
    }

    /// Reads what `encoded` gave; nil for anything else.
    public init?(encoded: String, bytes: Int64) {
        guard let digits = encoded.utf8.hexadecimal, digits.count >= 4,
            let sha256 = RunningSHA256(state: Array(digits.dropFirst(4)), bytes: bytes)
        else { return nil }
        self.bytes = bytes
        crc32 = digits.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        self.sha256 = sha256
    }

    /// The state in hexadecimal digits, for a row: CRC-32, then SHA-256 as `RunningSHA256.state` has it.
    public var encoded: String {
        let crc = (0..<4).map { UInt8(truncatingIfNeeded: crc32 >> (24 - 8 * $0)) }
        return (crc + sha256.state).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// The SHA-256 of the bytes so far.
    public var digest: SHA256Digest? { SHA256Digest(bytes: sha256.digest) }

    mutating func update(_ piece: UnsafeRawBufferPointer) {
        // An empty piece may have no address, which libdeflate takes for the wish to start again.
        guard !piece.isEmpty else { return }
        sha256.update(piece)
        crc32 = libdeflate_crc32(crc32, piece.baseAddress, piece.count)
        bytes += Int64(piece.count)
    }

    /// What a row says of the whole file.
    func stored(on volume: Volume) throws(StorageError) -> StoredFile {
        guard let digest else { throw StorageError(errno: EINVAL, "sha256", volume.spool.path) }
        return StoredFile(volume: volume.name, sha256: digest, crc32: crc32, bytes: bytes)
    }
}

extension String.UTF8View {
    /// The bytes these digits stand for; nil if they are no pairs of hexadecimal digits.
    fileprivate var hexadecimal: [UInt8]? {
        var digits: [UInt8] = []
        for digit in self {
            guard let value = Character(Unicode.Scalar(digit)).hexDigitValue else { return nil }
            digits.append(UInt8(value))
        }
        guard digits.count.isMultiple(of: 2) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
