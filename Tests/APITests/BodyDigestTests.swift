import HTTPTypes
import Models
import Testing

@testable import API

@Suite("Digests in headers")
struct BodyDigestTests {
    /// Of “hello”.
    private let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    private let text = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="

    private func expected(_ value: String) throws -> [String] {
        try BodyDigest([.contentDigest: value]).expected.map(\.description)
    }

    @Test("A SHA-256 is found among other algorithms, with or without padding, parameters and space")
    func found() throws {
        for value in [
            "sha-256=:\(text):", "sha-512=:AAAA:, sha-256=:\(text):", "sha-256=:\(text):\t,unixsum=:AQ==:",
            "sha-256=:\(text.dropLast()):", "sha-256=:\(text):;q=1",
        ] {
            #expect(try expected(value) == [digest], "\(value)")
        }
    }

    @Test("Other algorithms alone promise nothing")
    func unknown() throws {
        #expect(try expected("sha-512=:AAAA:, md5=:AAAA:").isEmpty)
        #expect(try BodyDigest([:]).expected.isEmpty)
    }

    @Test(
        "What is no dictionary of byte sequences is refused",
        arguments: [
            "", "sha-256", "sha-256=", "sha-256=abc", "sha-256=::", "sha-256=:AAAA:", "sha-256=:A A:", "sha-256=:€:",
            "sha-256=:AAAA", "SHA-256=:AAAA:", "sha-512=:AAAA:,", "sha-512=:AAAA:x", "=:AAAA:",
        ]
    )
    func malformed(value: String) {
        let error = #expect(throws: APIError.self) { try expected(value) }
        #expect(error?.code == "bad_digest")
    }

    @Test("Both headers have to be true")
    func both() throws {
        let other = String(repeating: "A", count: 43)
        let digests = try BodyDigest([.contentDigest: "sha-256=:\(text):", .reprDigest: "sha-256=:\(other):"])
        let sent = try #require(SHA256Digest(digest))
        let error = #expect(throws: APIError.self) { try digests.verify(sent) }
        #expect(error?.code == "digest_mismatch")
        #expect(error?.status == .badRequest)
        try BodyDigest([.contentDigest: "sha-256=:\(text):", .reprDigest: "sha-256=:\(text):"]).verify(sent)
        try BodyDigest([:]).verify(sent)
    }
}
