import HTTPTypes
import Models
import NIOCore

import struct Crypto.SHA256

/// What a request says its body adds up to: `Upload-Checksum`, as tus has it, and RFC 9530's digests.
struct BodyPromise {
    private var checksum: TusChecksum?
    private let digest: BodyDigest
    private var sha256: SHA256?

    /// - Throws: `bad_checksum`, `bad_digest`.
    init(_ headers: HTTPFields) throws(APIError) {
        checksum = try TusChecksum(headers)
        digest = try BodyDigest(headers)
        sha256 = digest.content == nil ? nil : SHA256()
    }

    /// Whether bytes may turn out to be wrong that have arrived: they do not count before the whole body is here.
    var isMade: Bool { checksum != nil || sha256 != nil }

    mutating func update(_ chunk: ByteBuffer) {
        checksum?.update(chunk)
        chunk.withUnsafeReadableBytes { sha256?.update(bufferPointer: $0) }
    }

    /// Compares the body of this request, once it is whole.
    ///
    /// - Throws: `checksum_mismatch`, `digest_mismatch`.
    func verify() throws(APIError) {
        try checksum?.verify()
        if let content = sha256.flatMap({ SHA256Digest(bytes: $0.finalize()) }) { try digest.verify(content: content) }
    }

    /// What the whole file adds up to, of which this body may be a part; nil if the request does not say.
    var whole: SHA256Digest? { digest.whole }
}
