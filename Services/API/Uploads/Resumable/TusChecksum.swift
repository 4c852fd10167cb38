import Crypto
import Foundation
import HTTPTypes
import NIOCore

/// `Upload-Checksum`: what the body of one request has to add up to.
struct TusChecksum {
    static let algorithms = "sha1,sha256,md5"

    private var sum: any HashFunction
    private let expected: Data

    /// - Throws: `bad_checksum` for an algorithm that is not known, or what is no sum of it.
    init?(_ headers: HTTPFields) throws(APIError) {
        guard let header = headers[.uploadChecksum] else { return nil }
        let parts = header.split(separator: " ")
        let known: [Substring: (sum: any HashFunction, bytes: Int)] = [
            "sha1": (Insecure.SHA1(), Insecure.SHA1.byteCount),
            "sha256": (SHA256(), SHA256.byteCount),
            "md5": (Insecure.MD5(), Insecure.MD5.byteCount),
        ]
        guard parts.count == 2, let (sum, bytes) = known[parts[0]],
            let expected = Data(base64Encoded: String(parts[1])), expected.count == bytes
        else {
            throw .badRequest(
                "bad_checksum",
                "Upload-Checksum is one of \(Self.algorithms), a space, and the sum of the body in base64."
            )
        }
        self.sum = sum
        self.expected = expected
    }

    mutating func update(_ chunk: ByteBuffer) {
        chunk.withUnsafeReadableBytes { sum.update(bufferPointer: $0) }
    }

    /// - Throws: `checksum_mismatch`.
    func verify() throws(APIError) {
        func digest(_ sum: some HashFunction) -> Data { Data(sum.finalize()) }
        guard digest(sum) == expected else {
            throw APIError(
                status: .init(code: 460, reasonPhrase: "Checksum Mismatch"),
                code: "checksum_mismatch",
                detail: "The bytes that arrived have another checksum. Nothing of them was kept: send them again."
            )
        }
    }
}
