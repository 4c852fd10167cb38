import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// What a request says of its bytes, in uploads that come in several requests (RFC 9530).
    @Suite struct ResumableDigests {
        @Test(
            "Bytes that are not those Content-Digest names are as if they had not come",
            arguments: ResumableProtocol.allCases
        )
        func content(_ dialect: ResumableProtocol) async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let bytes = try document(40_000)
                let path = try await client.begin(dialect, bytes.count)
                let first = try await client.append(
                    dialect,
                    firstOf: bytes,
                    to: path,
                    ["Content-Digest: \(try await stack.digest(of: bytes[..<20_000]))"]
                )
                #expect([201, 204].contains(first.status), "\(first.json)")
                let wrong = try await client.append(
                    dialect,
                    secondOf: bytes,
                    to: path,
                    ["Content-Digest: \(try await stack.digest(of: bytes))"]
                )
                #expect(wrong.status == 400)
                #expect(wrong.json["code"] == "digest_mismatch")
                let none = try await client.append(dialect, secondOf: bytes, to: path, ["Content-Digest: x"])
                #expect(none.status == 400)
                #expect(none.json["code"] == "bad_digest")
                let right = try await client.append(
                    dialect,
                    secondOf: bytes,
                    to: path,
                    ["Content-Digest: \(try await stack.digest(of: bytes[20_000...]))"]
                )
                #expect([201, 204].contains(right.status), "\(right.json)")
                #expect(try await client.asset(of: path)["sha256"].string == stack.sum(of: bytes))
            }
        }

        @Test("A whole that is not what Repr-Digest names at its end is not stored, and the upload is gone")
        func whole() async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let bytes = try document(40_000)
                let wrong = "Repr-Digest: \(try await stack.digest(of: bytes[..<20_000]))"
                let right = "Repr-Digest: \(try await stack.digest(of: bytes))"
                for dialect in ResumableProtocol.allCases {
                    let path = try await client.begin(dialect, bytes.count)
                    _ = try await client.append(dialect, firstOf: bytes, to: path)
                    let answer = try await client.append(dialect, secondOf: bytes, to: path, [wrong])
                    #expect(answer.status == 400)
                    #expect(answer.json["code"] == "digest_mismatch")
                    #expect(try await client.client.send("GET", path).status == 404)
                }
                let once = try await client.send("POST", "/v1/uploads", bytes, ["Upload-Complete: ?1", wrong])
                #expect(once.json["code"] == "digest_mismatch")
                try await stack.expectNothingStored()

                let path = try await client.begin(.tus, bytes.count)
                _ = try await client.append(.tus, firstOf: bytes, to: path)
                #expect(try await client.append(.tus, secondOf: bytes, to: path, [right]).status == 204)
                let whole = try await client.send("POST", "/v1/uploads", bytes, ["Upload-Complete: ?1", right])
                #expect(whole.json["duplicate"] == .bool(true))
            }
        }

        @Test("What the first request of an upload names is kept for the last", arguments: ResumableProtocol.allCases)
        func remembered(_ dialect: ResumableProtocol) async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let bytes = try document(40_000)
                let other = "Repr-Digest: \(try await stack.digest(of: bytes[..<20_000]))"
                let right = "Repr-Digest: \(try await stack.digest(of: bytes))"
                let wrong = try await client.begin(dialect, bytes.count, headers: [other])
                _ = try await client.append(dialect, firstOf: bytes, to: wrong)
                let refused = try await client.append(dialect, secondOf: bytes, to: wrong)
                #expect(refused.status == 400)
                #expect(refused.json["code"] == "digest_mismatch")
                #expect(try await client.client.send("GET", wrong).status == 404)
                try await stack.expectNothingStored()

                // A later request may correct what an earlier one said.
                for words in [(first: right, second: []), (first: other, second: [right])] {
                    let path = try await client.begin(dialect, bytes.count, headers: [words.first])
                    _ = try await client.append(dialect, firstOf: bytes, to: path, words.second)
                    let last = try await client.append(dialect, secondOf: bytes, to: path)
                    #expect([200, 201, 204].contains(last.status), "\(last.json)")
                    #expect(try await client.asset(of: path)["sha256"].string == stack.sum(of: bytes))
                }
            }
        }
    }
}

/// The halves of an upload of 40 000 bytes, of which the second is the last request.
extension ResumableClient {
    fileprivate func append(
        _ dialect: ResumableProtocol,
        firstOf bytes: Data,
        to path: String,
        _ headers: [String] = []
    ) async throws -> Client.Answer {
        try await append(dialect, bytes[..<20_000], at: 0, to: path, isLast: false, headers: headers)
    }

    fileprivate func append(
        _ dialect: ResumableProtocol,
        secondOf bytes: Data,
        to path: String,
        _ headers: [String] = []
    ) async throws -> Client.Answer {
        try await append(dialect, bytes[20_000...], at: 20_000, to: path, isLast: true, headers: headers)
    }
}
