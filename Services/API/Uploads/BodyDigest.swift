import Foundation
import HTTPTypes
import Models

import struct Crypto.SHA256

extension HTTPField.Name {
    static let contentDigest = HTTPField.Name.known("Content-Digest")
    static let reprDigest = HTTPField.Name.known("Repr-Digest")
}

/// What a client says of its body: RFC 9530's `Content-Digest` and `Repr-Digest`, which are the same for a body that is
/// the whole file, since none is ever encoded. Only `sha-256` is looked at; other algorithms are passed over, as the RFC
/// asks.
struct BodyDigest: Sendable {
    /// Of the body of this one request.
    let content: SHA256Digest?
    /// Of the whole file, however many requests it comes in.
    let whole: SHA256Digest?

    /// The digests that were named; usually one.
    var expected: Set<SHA256Digest> { Set([content, whole].compactMap(\.self)) }

    /// - Throws: `bad_digest` for what is no dictionary of byte sequences (RFC 9651), or no SHA-256.
    init(_ headers: HTTPFields) throws(APIError) {
        content = try Self.sha256(in: headers[.contentDigest])
        whole = try Self.sha256(in: headers[.reprDigest])
    }

    /// What the requests of an upload have said of its whole.
    init(whole: SHA256Digest) {
        content = nil
        self.whole = whole
    }

    /// Compares a body that is the whole file.
    ///
    /// - Throws: `digest_mismatch`.
    func verify(_ digest: SHA256Digest) throws(APIError) {
        try verify(content: digest)
        try verify(whole: digest)
    }

    /// - Throws: `digest_mismatch`.
    func verify(content digest: SHA256Digest) throws(APIError) {
        guard content ?? digest == digest else { throw Self.mismatch(digest) }
    }

    private func verify(whole digest: SHA256Digest) throws(APIError) {
        guard whole ?? digest == digest else { throw Self.mismatch(digest) }
    }

    private static func mismatch(_ digest: SHA256Digest) -> APIError {
        .badRequest(
            "digest_mismatch",
            "The bytes that arrived have the SHA-256 \(digest), not the one the request names. Send it again."
        )
    }

    /// The last `sha-256` of a dictionary; nil if there is none.
    private static func sha256(in dictionary: String?) throws(APIError) -> SHA256Digest? {
        guard let dictionary else { return nil }
        var digest: SHA256Digest?
        // A byte sequence has no comma in it.
        for member in dictionary.split(separator: ",", omittingEmptySubsequences: false) {
            let member = member.trimmingCharacters(in: .whitespaces)
            guard let equals = member.firstIndex(of: "="), isKey(member[..<equals]),
                let bytes = byteSequence(member[member.index(after: equals)...])
            else { throw malformed }
            guard member[..<equals] == "sha-256" else { continue }
            guard bytes.count == SHA256.byteCount else { throw malformed }
            digest = SHA256Digest(bytes: bytes)
        }
        return digest
    }

    private static func isKey(_ text: Substring) -> Bool {
        let first = text.utf8.first.map { isLowercase($0) || $0 == UInt8(ascii: "*") } ?? false
        return first && text.utf8.allSatisfy { isLowercase($0) || "0123456789_-.*".utf8.contains($0) }
    }

    private static func isLowercase(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
    }

    /// `:base64:`, perhaps with parameters behind it.
    private static func byteSequence(_ text: Substring) -> Data? {
        guard text.first == ":", let end = text.dropFirst().firstIndex(of: ":") else { return nil }
        let rest = text[text.index(after: end)...]
        guard rest.isEmpty || rest.first == ";" else { return nil }
        let digits = text[..<end].dropFirst()
        // Padding may be left out (RFC 9651 4.2.7).
        let padding = String(repeating: "=", count: (4 - digits.utf8.count % 4) % 4)
        return Data(base64Encoded: digits + padding)
    }

    private static let malformed = APIError.badRequest(
        "bad_digest",
        "Content-Digest and Repr-Digest look like “sha-256=:<base64 of the 32 bytes>:”."
    )
}
