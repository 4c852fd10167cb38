import COpenSSL

/// A SHA-256 that can be put aside and taken up again by another process.
///
/// swift-crypto's cannot: it keeps its state to itself.
struct RunningSHA256: Sendable {
    private static let blockBytes: Int64 = 64

    private var context = SHA256_CTX()

    init() {
        SHA256_Init(&context)
    }

    /// Goes on where `state` was taken.
    ///
    /// - Parameters:
    ///   - state: What `state` gave.
    ///   - bytes: How many bytes had been hashed then; nil is returned if that does not fit the state.
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
        return words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } } + begun
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
