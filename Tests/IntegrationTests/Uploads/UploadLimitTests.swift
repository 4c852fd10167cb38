import Foundation
import TestSupport
import Testing

extension Integration {
    /// How much may lie unfinished.
    @Suite struct UploadLimits {
        @Test("A user, and a company, have so many unfinished uploads and bytes of them; others are not concerned")
        func bounds() async throws {
            let limits = [
                "MAX_VIDEO_BYTES": "1MiB", "MAX_IMAGE_BYTES": "1MiB", "MAX_DOCUMENT_BYTES": "1MiB",
                "MAX_UNFINISHED_UPLOADS_PER_USER": "3", "MAX_UNFINISHED_BYTES_PER_USER": "2MiB",
                "MAX_UNFINISHED_UPLOADS": "5", "MAX_UNFINISHED_BYTES": "3MiB",
            ]
            try await TestStack.with(environment: limits) { stack in
                let admin = ResumableClient(stack)
                let member = ResumableClient(stack, client: try await stack.colleague("member@example.com"))
                let third = ResumableClient(stack, client: try await stack.colleague("third@example.com"))
                let first = try await admin.begin(1 << 20)
                let second = try await admin.begin((1 << 20) - 200)
                try await admin.refused(201, "too_many_upload_bytes", naming: "\(2 << 20)")
                _ = try await admin.begin(200)
                try await admin.refused(0, "too_many_uploads", naming: "3 uploads of yours")

                _ = try await member.begin((1 << 20) - 100)
                try await member.refused(101, "too_many_upload_bytes", naming: "of your company")
                _ = try await member.begin(100)
                try await third.refused(0, "too_many_uploads", naming: "5 uploads of your company")
                #expect(stack.files.count == 5, "what was refused has left a file")

                let stranger = ResumableClient(stack, client: try await stack.stranger())
                _ = try await stranger.begin(1 << 20)
                // What is finished, or deleted, makes room.
                #expect(try await admin.append(document(1 << 20), at: 0, to: first).status == 204)
                _ = try await third.begin(100)
                try await third.refused(0, "too_many_uploads", naming: "5 uploads of your company")
                #expect(try await admin.client.send("DELETE", second, headers: [ResumableClient.tus]).status == 204)
                _ = try await third.begin((1 << 20) - 200)
                try await third.refused(0, "too_many_uploads", naming: "5 uploads of your company")
            }
        }

        @Test("However many begin at once, through several processes, no more are begun than may be")
        func atOnce() async throws {
            try await TestStack.with(environment: ["MAX_UNFINISHED_UPLOADS_PER_USER": "7"]) { stack in
                let other = try await stack.startAnotherAPI()
                let clients = [stack.client, stack.client(of: other)].map { ResumableClient(stack, client: $0) }
                let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                    for number in 0..<30 { group.addTask { try await clients[number % 2].answer(to: 100).status } }
                    return try await group.reduce(into: [Int]()) { $0.append($1) }
                }
                #expect(statuses.count { $0 == 201 } == 7)
                #expect(statuses.count { $0 == 429 } == 23)
                #expect(try await stack.uploads.count == 7)
                try await stack.stop(other)
            }
        }

        @Test("Bytes whose number was not declared are taken up to the last that may come")
        func undeclaredToTheLimit() async throws {
            let limits = ["MAX_VIDEO_BYTES": "50MiB", "MAX_UNFINISHED_BYTES_PER_USER": "60MiB"]
            try await TestStack.with(environment: limits) { stack in
                let client = ResumableClient(stack)
                _ = try await client.begin(40 << 20)
                let path = try await client.beginWithoutLength()
                let bytes = try document(20 << 20)
                let chunked = ["Transfer-Encoding: chunked"]
                let taken = try await client.append(bytes, at: 0, to: path, headers: chunked)
                #expect(taken.status == 204, "\(taken.json)")
                #expect(try await client.offset(of: path) == bytes.count)
                let more = try await client.append(Data([1]), at: bytes.count, to: path, headers: chunked)
                #expect(more.status == 429, "\(more.json)")
            }
        }

        @Test("Bytes whose number was not declared count as they come: a request for too many keeps those before it")
        func undeclared() async throws {
            let limits = ["MAX_VIDEO_BYTES": "50MiB", "MAX_UNFINISHED_BYTES_PER_USER": "60MiB"]
            try await TestStack.with(environment: limits) { stack in
                let client = ResumableClient(stack)
                let bytes = try document(40_000_000)
                _ = try await client.begin(30_000_000)
                let path = try await client.beginWithoutLength()
                #expect(try await client.append(bytes[..<5_000_000], at: 0, to: path).status == 204)
                // Declared late, before its bytes.
                let late = ["Upload-Length: 40000000", "Expect: 100-continue"]
                let part = bytes[5_000_000..<9_000_000]
                let refused = try await client.append(part, at: 5_000_000, to: path, headers: late)
                #expect(refused.status == 429)
                #expect(refused.json["code"] == "too_many_upload_bytes")
                #expect(refused.uploaded == 0)
                #expect(try await client.offset(of: path) == 5_000_000)
                // Not declared at all.
                let chunked = ["Transfer-Encoding: chunked"]
                let met = try await client.append(bytes[5_000_000...], at: 5_000_000, to: path, headers: chunked)
                #expect(met.status == 429, "\(met.json)")
                let offset = try await client.offset(of: path)
                #expect(offset > 5_000_000 && offset < 35_000_000)
                #expect(try await client.append(bytes[offset..<offset + 1000], at: offset, to: path).status == 204)
            }
        }
    }
}

extension TestStack {
    /// A client of another user of the same company.
    fileprivate func colleague(_ email: String) async throws -> Client {
        let password = "a long enough one"
        let variables = ["TOLVA_PASSWORD": password]
        try await control("user", "create", email, "--company", "Demo", "--role", "member", environment: variables)
        return try await Client(base: client.base).signedIn(email: email, password: password)
    }
}

extension ResumableClient {
    fileprivate func answer(to bytes: Int) async throws -> Client.Answer {
        try await client.send("POST", "/v1/uploads", headers: [Self.tus, "Upload-Length: \(bytes)"])
    }

    fileprivate func refused(
        _ bytes: Int,
        _ code: String,
        naming words: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let answer = try await answer(to: bytes)
        #expect(answer.status == 429, sourceLocation: sourceLocation)
        #expect(answer.json["code"].string == code, sourceLocation: sourceLocation)
        #expect(answer.headers["retry-after"] != nil, sourceLocation: sourceLocation)
        let detail = answer.json["detail"].string ?? ""
        #expect(detail.contains(words), "\(detail)", sourceLocation: sourceLocation)
    }
}
