import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Uploads that come in several requests: the IETF's protocol, in the versions iOS speaks.
    @Suite struct ResumableDraft {
        @Test("A request that is cut goes on where the answer to HEAD says", arguments: [3, 5, 6, 8])
        func cut(_ version: Int) async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let words = DraftWords(version: version)
                let bytes = try document(2_000_000)
                let item = try await stack.client.makeItem()
                let connection = try client.open(
                    [
                        "POST /v1/uploads?item_id=\(item) HTTP/1.1", words.version, words.complete,
                        "Content-Type: application/pdf", "Content-Disposition: attachment; filename=\"a.pdf\"",
                        "Content-Length: \(bytes.count)",
                    ],
                    bytes[..<500_000]
                )
                let interim = try connection.receive()
                #expect(interim.hasPrefix("HTTP/1.1 104 "), "\(interim)")
                let address = try #require(interim.header("location"))
                #expect(address.hasPrefix("http://phone.example/v1/uploads/"))
                let path = try #require(URL(string: address)?.path)
                connection.end()

                let standing = try await client.client.send("HEAD", path, headers: [words.version])
                #expect(standing.status == 204)
                // What a connection that is cut has sent last may be lost on its way.
                let offset = try #require(standing.headers["upload-offset"].flatMap { Int($0) })
                #expect((0...500_000).contains(offset))
                #expect(standing.headers[words.name] == words.no)
                #expect(standing.headers["cache-control"] == "no-store")

                let wrong = try await client.send(
                    "PATCH",
                    path,
                    bytes[(offset + 1)...],
                    words.append(at: offset + 1, words.complete)
                )
                #expect(wrong.status == 409)
                #expect(wrong.headers["upload-offset"] == "\(offset)")
                let part = try await client.send(
                    "PATCH",
                    path,
                    bytes[offset..<900_000],
                    words.append(at: offset, words.incomplete)
                )
                #expect(part.status == (version <= 6 ? 201 : 204))
                #expect(part.headers[words.name] == words.no)
                let last = try await client.send(
                    "PATCH",
                    path,
                    bytes[900_000...],
                    words.append(at: 900_000, words.complete)
                )
                #expect(last.status == 201, "\(last.json)")
                #expect(last.headers[words.name] == words.yes)
                #expect(try await last.json["sha256"].string == stack.sum(of: bytes))
                #expect(last.json["filename"] == "a.pdf")
                #expect(last.json["item_id"].string == item.description)
                #expect(stack.files.count == 1, "\(stack.files)")
            }
        }

        @Test("An upload is begun without bytes, gets them without a length, and is complete when the client says so")
        func careful() async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let bytes = try document(30_000)
                let begun = try await client.send("POST", "/v1/uploads?filename=b.pdf", Data(), ["Upload-Complete: ?0"])
                #expect(begun.status == 201)
                let path = try #require(begun.uploadPath)
                let type = "Content-Type: application/partial-upload"
                let headers = [type, "Upload-Offset: 0", "Upload-Complete: ?0", "Transfer-Encoding: chunked"]
                #expect(try await client.send("PATCH", path, bytes, headers).status == 204)
                let end = [type, "Upload-Offset: 30000", "Upload-Complete: ?1"]
                let last = try await client.send("PATCH", path, Data(), end)
                #expect(last.status == 201)
                #expect(try await last.json["sha256"].string == stack.sum(of: bytes))
                let more = try await client.send("PATCH", path, Data([1]), end)
                #expect(more.status == 400)
                #expect(more.json["code"] == "upload_complete")
            }
        }

        @Test("A cancelled upload is gone, with its bytes, and so is the request that was writing it")
        func cancelled() async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let bytes = try document(300_000)
                let (connection, path) = try client.openDraft(bytes: bytes.count)
                try connection.send(bytes[..<100_000])
                #expect(try await client.send("DELETE", path, Data(), []).status == 204)
                #expect(try connection.receive().isEmpty)
                #expect(
                    try await client.client.send("HEAD", path, headers: ["Upload-Draft-Interop-Version: 6"]).status
                        == 404
                )
                try await stack.expectNothingStored()
            }
        }

        @Test("A file that is sent whole is an asset in one request, and twice the same one")
        func whole() async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let bytes = try document(30_000)
                let headers = ["Upload-Complete: ?1", "Content-Disposition: inline; filename*=UTF-8''a%C3%B1o.pdf"]
                let first = try await client.send("POST", "/v1/uploads", bytes, headers)
                #expect(first.status == 201)
                #expect(first.json["filename"] == "a\u{F1}o.pdf")
                let again = try await client.send("POST", "/v1/uploads", bytes, headers)
                #expect(again.status == 200)
                #expect(again.json["duplicate"] == .bool(true))
                #expect(again.json["id"] == first.json["id"])
                #expect(stack.files.count == 1, "\(stack.files)")
            }
        }
    }
}

/// How a version of the draft says things.
private struct DraftWords {
    let number: Int

    init(version: Int) { number = version }

    var version: String { "Upload-Draft-Interop-Version: \(number)" }
    var name: String { number == 3 ? "upload-incomplete" : "upload-complete" }
    var yes: String { number == 3 ? "?0" : "?1" }
    var no: String { number == 3 ? "?1" : "?0" }
    var complete: String { "\(name): \(yes)" }
    var incomplete: String { "\(name): \(no)" }

    func append(at offset: Int, _ completeness: String) -> [String] {
        let type = number < 6 ? "Content-Type: application/octet-stream" : "Content-Type: application/partial-upload"
        return [version, completeness, type, "Upload-Offset: \(offset)"]
    }
}
