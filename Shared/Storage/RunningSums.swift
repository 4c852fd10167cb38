import CDeflate
import COpenSSL
public import Models

/// CRC-32 and SHA-256 of a file's first bytes, in a form that another process can go on from.
public struct RunningSums: Sendable {
    /// How many bytes they are of.
    public private(set) var bytes: Int64
    /// As ZIP stores it.
    public private(set) var crc32: UInt32
    private var sha256: RunningSHA256?

    /// Of no bytes. Without `hashes` there is no SHA-256; CRC-32 alone takes a fraction of the time.
    public init(hashes: Bool = true) {
        bytes = 0
        crc32 = 0
        sha256 = hashes ? RunningSHA256() : nil
    }

    /// Reads what `encoded` gave; nil for anything else, and for the state of another number of bytes.
    public init?(encoded: String, bytes: Int64) {
        guard let state = Hexadecimal.decode(encoded), state.count >= 4,
            let sha256 = RunningSHA256(state: Array(state.dropFirst(4)), bytes: bytes)
        else { return nil }
        self.bytes = bytes
        crc32 = state.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        self.sha256 = sha256
    }

    /// The state in hexadecimal digits, for a row: CRC-32, then SHA-256 as `RunningSHA256.state` has it. Without the
    /// SHA-256 nobody can go on from it.
    public var encoded: String {
        Hexadecimal.encode(crc32.bigEndianBytes + (sha256?.state ?? []))
    }

    /// The SHA-256 of the bytes so far; nil if it is not wanted.
    public var digest: SHA256Digest? { sha256.flatMap { SHA256Digest(bytes: $0.digest) } }

    public mutating func update(_ piece: UnsafeRawBufferPointer) {
        // An empty piece may have no address, which makes libdeflate start again.
        guard !piece.isEmpty else { return }
        crc32 = libdeflate_crc32(crc32, piece.baseAddress, piece.count)
        sha256?.update(piece)
        bytes += Int64(piece.count)
    }
}

/// A SHA-256 that can be put aside and taken up again by another process.
///
/// swift-crypto's cannot: it keeps its state to itself. Nor can OpenSSL's EVP; the calls used here run the same code for
/// the processor at hand.
private struct RunningSHA256: Sendable {
    private static let blockBytes: Int64 = 64

    private var context = SHA256_CTX()

    init() {
        SHA256_Init(&context)
    }

    /// Continues from a `state` that was taken after `bytes` bytes; nil if they do not fit each other.
    init?(state: [UInt8], bytes: Int64) {
        guard bytes >= 0, state.count == 32 + Int(bytes % Self.blockBytes) else { return nil }
        self.init()
        withUnsafeMutableBytes(of: &context.h) { words in
            for index in 0..<8 {
                let word = state[(4 * index)..<(4 * index + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                words.storeBytes(of: word, toByteOffset: 4 * index, as: UInt32.self)
            }
        }
        let bits = UInt64(bytes - bytes % Self.blockBytes) << 3
        context.Nl = UInt32(truncatingIfNeeded: bits)
        context.Nh = UInt32(truncatingIfNeeded: bits >> 32)
        state[32...].withUnsafeBytes { update($0) }
    }

    mutating func update(_ piece: UnsafeRawBufferPointer) {
        SHA256_Update(&context, piece.baseAddress, piece.count)
    }

    /// The eight words of the state, most significant byte first, and the bytes that do not fill a block yet. It is
    /// FIPS 180-4's own, so it does not change with the library.
    var state: [UInt8] {
        let words = withUnsafeBytes(of: context.h) { Array($0.bindMemory(to: UInt32.self)) }
        let begun = withUnsafeBytes(of: context.data) { Array($0.prefix(Int(context.num))) }
        return words.flatMap(\.bigEndianBytes) + begun
    }

    /// Of all bytes so far; more may follow.
    var digest: [UInt8] {
        var copy = context
        return Array(unsafeUninitializedCapacity: 32) { bytes, count in
            SHA256_Final(bytes.baseAddress, &copy)
            count = 32
        }
    }
}

extension UInt32 {
    fileprivate var bigEndianBytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: self >> (24 - 8 * $0)) } }
}
