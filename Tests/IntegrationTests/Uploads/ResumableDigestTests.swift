import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// What a request says of its bytes, in uploads that come in several requests (RFC 9530).
    @Suite struct ResumableDigests {
        @Test("Bytes that are not those Content-Digest names are as if they had not come", arguments: ["tus", "ietf"])
        func content(_ dialect: String) async throws {
            try await TestSupport.Suite.with { suite in
                let client = ResumableClient(suite)
                let bytes = document(40_000)
                let path = try await client.begin(dialect, bytes.count)
                let first = try await client.append(
                    dialect,
                    bytes[..<20_000],
                    at: 0,
                    to: path,
                    "Content-Digest: \(try await suite.digest(of: bytes[..<20_000]))"
                )
                #expect([201, 204].contains(first.status), "\(first.json)")
                let wrong = try await client.append(
                    dialect,
                    bytes[20_000...],
                    at: 20_000,
                    to: path,
                    "Content-Digest: \(try await suite.digest(of: bytes))"
                )
                #expect(wrong.status == 400)
                #expect(wrong.json["code"] == "digest_mismatch")
                let none = try await client.append(dialect, bytes[20_000...], at: 20_000, to: path, "Content-Digest: x")
                #expect(none.json["code"] == "bad_digest")
                let right = try await client.append(
                    dialect,
                    bytes[20_000...],
                    at: 20_000,
                    to: path,
                    "Content-Digest: \(try await suite.digest(of: bytes[20_000...]))"
                )
                #expect([201, 204].contains(right.status), "\(right.json)")
                #expect(try await client.asset(of: path)["sha256"].string == suite.sum(of: bytes))
            }
        }

        @Test("A whole that is not what Repr-Digest names at its end is not stored, and the upload is gone")
        func whole() async throws {
            try await TestSupport.Suite.with { suite in
                let client = ResumableClient(suite)
                let bytes = document(40_000)
                let wrong = "Repr-Digest: \(try await suite.digest(of: bytes[..<20_000]))"
                let right = "Repr-Digest: \(try await suite.digest(of: bytes))"
                for dialect in ["tus", "ietf"] {
                    let path = try await client.begin(dialect, bytes.count)
                    _ = try await client.append(dialect, bytes[..<20_000], at: 0, to: path)
                    let answer = try await client.append(dialect, bytes[20_000...], at: 20_000, to: path, wrong)
                    #expect(answer.status == 400)
                    #expect(answer.json["code"] == "digest_mismatch")
                    #expect(try await client.client.send("GET", path).status == 404)
                }
                let once = try await client.send("POST", "/v1/uploads", bytes, ["Upload-Complete: ?1", wrong])
                #expect(once.json["code"] == "digest_mismatch")
                try await suite.expectNothingStored()

                let path = try await client.begin("tus", bytes.count)
                _ = try await client.append("tus", bytes[..<20_000], at: 0, to: path)
                #expect(try await client.append("tus", bytes[20_000...], at: 20_000, to: path, right).status == 204)
                let whole = try await client.send("POST", "/v1/uploads", bytes, ["Upload-Complete: ?1", right])
                #expect(whole.json["duplicate"] == .bool(true))
            }
        }

        @Test("What the first request of an upload names is kept for the last", arguments: ["tus", "ietf"])
        func remembered(_ dialect: String) async throws {
            try await TestSupport.Suite.with { suite in
                let client = ResumableClient(suite)
                let bytes = document(40_000)
                let other = "Repr-Digest: \(try await suite.digest(of: bytes[..<20_000]))"
                let right = "Repr-Digest: \(try await suite.digest(of: bytes))"
                let wrong = try await client.begin(dialect, bytes.count, other)
                _ = try await client.append(dialect, bytes[..<20_000], at: 0, to: wrong)
                let refused = try await client.append(dialect, bytes[20_000...], at: 20_000, to: wrong)
                #expect(refused.status == 400)
                #expect(refused.json["code"] == "digest_mismatch")
                #expect(try await client.client.send("GET", wrong).status == 404)
                try await suite.expectNothingStored()

                // A later request may correct what an earlier one said.
                for words in [(first: right, second: []), (first: other, second: [right])] {
                    let path = try await client.begin(dialect, bytes.count, words.first)
                    _ = try await client.append(dialect, bytes[..<20_000], at: 0, to: path, words.second)
                    let last = try await client.append(dialect, bytes[20_000...], at: 20_000, to: path)
                    #expect([200, 201, 204].contains(last.status), "\(last.json)")
                    #expect(try await client.asset(of: path)["sha256"].string == suite.sum(of: bytes))
                }
            }
        }
    }
}

extension ResumableClient {
    fileprivate func begin(_ dialect: String, _ bytes: Int, _ more: String...) async throws -> String {
        guard dialect == "ietf" else { return try await begin(bytes, headers: more) }
        let headers = ["Upload-Complete: ?0", "Upload-Length: \(bytes)"] + more
        return try #require(try await send("POST", "/v1/uploads?filename=a.pdf", Data(), headers).uploadPath)
    }

    /// Sends bytes, which end the upload unless it begins with them.
    fileprivate func append(
        _ dialect: String,
        _ bytes: Data,
        at offset: Int,
        to path: String,
        _ more: String...
    ) async throws -> Client.Answer {
        try await append(dialect, bytes, at: offset, to: path, more)
    }

    fileprivate func append(
        _ dialect: String,
        _ bytes: Data,
        at offset: Int,
        to path: String,
        _ more: [String]
    ) async throws -> Client.Answer {
        guard dialect == "ietf" else { return try await append(bytes, at: offset, to: path, headers: more) }
        let words = ["Content-Type: application/partial-upload", "Upload-Offset: \(offset)"]
        return try await send("PATCH", path, bytes, words + ["Upload-Complete: \(offset == 0 ? "?0" : "?1")"] + more)
    }
}

extension TestSupport.Suite {
    fileprivate func digest(of bytes: Data) async throws -> String {
        let checksum = try await checksum("sha256", of: bytes)
        return "sha-256=:\(checksum.dropFirst("sha256 ".count)):"
    }
}
