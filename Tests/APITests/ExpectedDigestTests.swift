import Foundation
import HTTPTypes
import Models
import NIOCore
import Testing

@testable import API

@Suite("Digests in headers")
struct ExpectedDigestTests {
    /// Of “hello”.
    private let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    private let text = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="

    private func expected(_ value: String) throws -> [String] {
        try ExpectedDigest(ofWhole: [.contentDigest: value]).ofBody.map(\.description)
    }

    @Test("A SHA-256 is found among other algorithms, with or without padding, parameters and space")
    func found() throws {
        for value in [
            "sha-256=:\(text):", "sha-512=:AAAA:, sha-256=:\(text):", "sha-256=:\(text):\t,unixsum=:AQ==:",
            "sha-256=:\(text.dropLast()):", "sha-256=:\(text):;q=1", "sha-256=:AAAA:;q=1, sha-256=:\(text):",
        ] {
            #expect(try expected(value) == [digest], "\(value)")
        }
    }

    @Test("Other algorithms alone promise nothing")
    func unknown() throws {
        #expect(try expected("sha-512=:AAAA:, md5=:AAAA:").isEmpty)
        #expect(try ExpectedDigest(ofWhole: [:]).ofBody.isEmpty)
    }

    @Test(
        "What is no dictionary of byte sequences is refused",
        arguments: [
            "", "sha-256", "sha-256=", "sha-256=abc", "sha-256=::", "sha-256=:AAAA:", "sha-256=:A A:", "sha-256=:€:",
            "sha-256=:AAAA", "SHA-256=:AAAA:", "sha-512=:AAAA:,", "sha-512=:AAAA:x", "=:AAAA:", "sha-512=:A:",
            "sha-512=(:AAAA:)",
        ]
    )
    func malformed(value: String) {
        let error = #expect(throws: APIError.self) { try expected(value) }
        #expect(error?.code == "bad_digest")
    }

    @Test("Both headers have to be true of a body that is the whole file")
    func both() throws {
        let other = String(repeating: "A", count: 43)
        let headers: HTTPFields = [.contentDigest: "sha-256=:\(text):", .reprDigest: "sha-256=:\(other):"]
        let sent = try #require(SHA256Digest(digest))
        let error = #expect(throws: APIError.self) { try ExpectedDigest(ofWhole: headers).verify(body: sent) }
        #expect(error?.code == "digest_mismatch")
        #expect(error?.status == .badRequest)
        try ExpectedDigest(ofWhole: [.contentDigest: "sha-256=:\(text):", .reprDigest: "sha-256=:\(text):"])
            .verify(body: sent)
        try ExpectedDigest(ofWhole: [:]).verify(body: sent)
    }

    @Test("Of a body that is a part of the file only Content-Digest says something")
    func part() throws {
        let expected = try ExpectedDigest(
            ofPart: [
                .contentDigest: "sha-256=:\(text):", .reprDigest: "sha-256=:\(String(repeating: "A", count: 43)):",
            ]
        )
        #expect(expected.ofBody.map(\.description) == [digest])
        #expect(expected.whole?.description == String(repeating: "0", count: 64))
        #expect(expected.coversBody)
        #expect(try ExpectedDigest(ofPart: [.reprDigest: "sha-256=:\(text):"]).coversBody == false)
    }

    @Test(
        "The checksum of tus is taken in its three algorithms",
        arguments: [
            "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=", "sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
            "md5 XUFAKrxLKna5cZ2REBfFkg==",
        ]
    )
    func checksum(header: String) throws {
        #expect(try ExpectedDigest(ofPart: [.uploadChecksum: header]).coversBody)
        var checksum = try TusChecksum(header)
        checksum.update(ByteBuffer(string: "hel"))
        let error = #expect(throws: APIError.self) { try checksum.verify() }
        #expect(error?.status.code == 460)
        checksum.update(ByteBuffer(string: "lo"))
        try checksum.verify()
    }

    @Test(
        "A checksum of another algorithm, or of another length, is refused",
        arguments: ["", "sha1", "sha1 AAAA", "crc32 AAAAAA==", "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00= x", "md5 ?"]
    )
    func badChecksum(header: String) {
        let error = #expect(throws: APIError.self) { try TusChecksum(header) }
        #expect(error?.code == "bad_checksum")
    }
}
