import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Files without multipart around them, digests, and the question which files are here.
    @Suite struct Uploads {
        @Test("A file that is put keeps its name and its bytes; put again it is the same asset")
        func put() async throws {
            try await TestStack.with { stack in
                let item = try await stack.client.makeItem()
                let photo = try await Samples(in: stack.directory).photo("photo.jpg", bytes: 3_000_000)
                let path = "/v1/items/\(item)/assets/a%C3%B1o%201.jpg"
                let first = try await stack.client.put(photo, to: path)
                #expect(first.status == 201)
                #expect(first.json["filename"] == "a\u{F1}o 1.jpg")
                #expect(first.json["kind"] == "image")
                #expect(first.json["duplicate"] == .bool(false))
                let id = try #require(first.json["id"].string)
                #expect(first.headers["location"] == "/v1/assets/\(id)")
                let original = try await stack.client.send("GET", "/v1/assets/\(id)/content")
                #expect(original.body == (try Data(contentsOf: photo)))

                let again = try await stack.client.put(photo, to: path, curl: ["-H", "Transfer-Encoding: chunked"])
                #expect(again.status == 200)
                #expect(again.json["id"].string == id)
                #expect(again.json["duplicate"] == .bool(true))
                #expect(stack.files.count == 1)
            }
        }

        @Test("A document that is put to the company hangs on no item")
        func document() async throws {
            try await TestStack.with { stack in
                let text = try stack.file("procedure.txt", Data("Turn it off and on again.\n".utf8))
                let answer = try await stack.client.put(text, to: "/v1/documents/procedure.txt")
                #expect(answer.status == 201)
                #expect(answer.json["item_id"] == .null)
                #expect(answer.json["status"] == "ready")
            }
        }

        @Test("What a file that is put is refused for is said with its code, and leaves nothing")
        func refusals() async throws {
            try await TestStack.with(environment: ["MAX_IMAGE_BYTES": "1MiB"]) { stack in
                let item = try await stack.client.makeItem()
                let samples = Samples(in: stack.directory)
                let page = try stack.file("page.jpg", Data("<html><script>alert(1)</script></html>".utf8))
                let empty = try samples.zeroes("empty.jpg", bytes: 0)
                let large = try await samples.photo("large.jpg", bytes: 2_000_000)
                let cases: [(URL, String, [String], Int, String)] = [
                    (page, "page.jpg", [], 422, "content_mismatch"),
                    (empty, "empty.jpg", [], 422, "empty_file"),
                    (large, "large.jpg", [], 413, "file_too_large"),
                    (large, "large.jpg", ["-H", "Transfer-Encoding: chunked"], 413, "file_too_large"),
                    (page, "a%00.txt", [], 400, "bad_filename"),
                    (page, "a%zz.txt", [], 400, "bad_filename"),
                    (page, "a.txt", ["-H", "Content-Type: multipart/form-data"], 415, "unsupported_media_type"),
                    (page, "a.txt", ["-H", "Content-Encoding: gzip"], 415, "unsupported_media_type"),
                    (page, "a.txt", ["-H", "Content-Range: bytes 0-9/38"], 400, "partial_put"),
                    (page, "a.txt", ["-H", "Content-Digest: sha-256"], 400, "bad_digest"),
                ]
                for (file, name, headers, status, code) in cases {
                    let answer = try await stack.client.put(file, to: "/v1/items/\(item)/assets/\(name)", curl: headers)
                    #expect(answer.status == status, "\(name) \(headers)")
                    #expect(answer.json["code"].string == code, "\(name) \(headers)")
                }
                #expect(try await stack.client.put(page, to: "/v1/items/\(ItemID.new())/assets/a").status == 404)
                try await stack.expectNothingStored()
            }
        }

        @Test("A file that is too long for any kind, or for the disk, is refused before it is sent")
        func refusedBeforeTheBody() async throws {
            try await TestStack.with { stack in
                let huge = try Samples(in: stack.directory).zeroes("huge.mov", bytes: 3 << 30)
                let path = "/v1/items/\(try await stack.client.makeItem())/assets/a.mov"
                let answer = try await stack.client.put(huge, to: path, curl: Self.expecting)
                #expect(answer.status == 413)
                #expect(answer.json["code"] == "file_too_large")
                #expect(answer.uploaded == 0)
                try await stack.expectNothingStored()
            }
            try await TestStack.with(environment: ["MAX_VIDEO_BYTES": "9TiB"]) { stack in
                let file = try Samples(in: stack.directory).zeroes("a.mov", bytes: 8 << 40)
                let path = "/v1/items/\(try await stack.client.makeItem())/assets/a.mov"
                let answer = try await stack.client.put(file, to: path, curl: Self.expecting)
                #expect(answer.status == 507)
                #expect(answer.headers["retry-after"] != nil)
                #expect(answer.uploaded == 0)
                try await stack.expectNothingStored()
            }
        }

        @Test("A file that is cut while it is put leaves nothing")
        func cut() async throws {
            try await TestStack.with { stack in
                let photo = try await Samples(in: stack.directory).photo("photo.jpg", bytes: 4_000_000)
                let body = try Data(contentsOf: photo)
                let path = "/v1/items/\(try await stack.client.makeItem())/assets/photo.jpg"
                let head = ["PUT \(path) HTTP/1.1", "Content-Length: \(body.count)"]
                try await stack.sendCut(head, body, at: [0.0, 0.02, 0.5, 0.999])
                #expect(try await stack.client.put(photo, to: path).status == 201)
            }
        }

        @Test("15 photos of one request are persisted by one transaction, and all become ready")
        func oneCommit() async throws {
            try await TestStack.with { stack in
                let photo = try Data(
                    contentsOf: try await Samples(in: stack.directory).photo("photo.jpg", bytes: 5_600_000)
                )
                // What follows the end of the picture makes each another file.
                let photos = try (1...15).map { try stack.file("\($0).jpg", photo + Data("\($0)".utf8)) }
                let item = try await stack.client.makeItem()
                let answer = try await stack.client.upload(photos, to: item)
                #expect(answer.status == 201)
                #expect(answer.json["assets"].elements.count == 15)
                // Every row carries the id of the transaction that wrote it.
                let transactions = try await stack.database.run(
                    Query<Transactions>(
                        """
                        SELECT count(*) AS rows, count(DISTINCT writer) AS transactions
                          FROM (SELECT xmin::text AS writer FROM assets UNION ALL SELECT xmin::text FROM jobs) written
                        """
                    )()
                )
                #expect(transactions.first?.rows == 30)
                #expect(transactions.first?.transactions == 1)

                let worker = try await stack.start(.mediaWorker)
                for asset in answer.json["assets"].elements {
                    let ready = try await stack.client.settled(asset["id"].string ?? "", within: .seconds(120))
                    #expect(ready["status"] == "ready", "\(ready)")
                }
                try await stack.stop(worker)
            }
        }

        @Test("The API receives a video of 1 GB with less than 100 MB of memory")
        func largeBody() async throws {
            try await TestStack.with { stack in
                let samples = Samples(in: stack.directory)
                let video = try await samples.video(seconds: 1, size: "320x240")
                let large = try samples.zeroes("large.mov", bytes: 1 << 30, beginning: try Data(contentsOf: video))
                let item = try await stack.client.makeItem()
                let answer = try await stack.client.upload([large], to: item)
                #expect(answer.status == 201, "\(answer.json)")
                let peak = try stack.api.peakMemory
                print("peak memory of the API while it received 1 GiB: \(peak >> 20) MiB")
                #expect(peak < 100 << 20)
            }
        }

        @Test("Bytes that are not those the digest names are not stored, as a file or in a form")
        func digests() async throws {
            try await TestStack.with { stack in
                let item = try await stack.client.makeItem()
                let photo = try await Samples(in: stack.directory).png()
                let path = "/v1/items/\(item)/assets/photo.png"
                let right = try await stack.digest(of: Data(contentsOf: photo))
                let wrong = "sha-256=:\(String(repeating: "A", count: 43))=:"
                for field in ["Content-Digest", "Repr-Digest"] {
                    let answer = try await stack.client.put(photo, to: path, curl: ["-H", "\(field): \(wrong)"])
                    #expect(answer.status == 400)
                    #expect(answer.json["code"] == "digest_mismatch")
                    let form = try await stack.client.upload([photo], to: item, curl: ["-H", "\(field): \(wrong)"])
                    #expect(form.status == 400)
                    #expect(form.json["code"] == "digest_mismatch")
                }
                try await stack.expectNothingStored()

                let good = ["-H", "Content-Digest: sha-512=:AAAA:, \(right)", "-H", "Repr-Digest: \(right)"]
                #expect(try await stack.client.put(photo, to: path, curl: good).status == 201)

                let body = try Multipart.body([photo])
                let form = try stack.file("form", body)
                let answer = try await stack.client.send(
                    "POST",
                    "/v1/items/\(item)/assets",
                    headers: [
                        "Content-Type: \(Multipart.type)", "Content-Digest: \(try await stack.digest(of: body))",
                    ],
                    curl: ["--data-binary", "@\(form.path)"]
                )
                #expect(answer.status == 201)
            }
        }

        @Test("A client learns which files it need not send again, and nothing of other items and companies")
        func check() async throws {
            try await TestStack.with { stack in
                let samples = Samples(in: stack.directory)
                let (held, missing) = (try await samples.png(), try await samples.photo("photo.jpg", bytes: 20_000))
                let item = try await stack.client.makeItem()
                let asset = try await stack.client.put(held, to: "/v1/items/\(item)/assets/a.png").json["id"]
                let digests = [
                    try await sha256(of: held), try await sha256(of: missing), try await sha256(of: held),
                ]
                let bytes = try Data(contentsOf: held).count
                let files: JSONValue = .array([
                    .object(["sha256": .string(digests[0].uppercased()), "bytes": .integer(Int64(bytes))]),
                    .object(["sha256": .string(digests[1]), "filename": "photo.jpg"]),
                    .object(["sha256": .string(digests[2]), "bytes": .integer(Int64(bytes) + 1)]),
                ])
                let answer = try await stack.client.check(files, item: item)
                #expect(answer.status == 200)
                let results = answer.json["files"].elements
                #expect(results.map { $0["sha256"].string } == digests)
                #expect(results.map { $0["exists"] } == [.bool(true), .bool(false), .bool(false)])
                #expect(results.first?["asset"]["id"] == asset)
                #expect(results.last?["asset"] == .null)

                let other = try await stack.client.makeItem()
                for item in [other, nil] {
                    let answer = try await stack.client.check(files, item: item)
                    #expect(
                        answer.json["files"].elements.map { $0["exists"] }
                            == Array(repeating: .bool(false), count: 3)
                    )
                }
                let spy = try await stack.stranger()
                #expect(try await spy.check(files, item: item).status == 404)
                #expect(try await spy.put(held, to: "/v1/items/\(item)/assets/a.png").status == 404)
                #expect(try await stack.client.check(.array([]), item: item).status == 400)
            }
        }

        private static let expecting = ["-H", "Expect: 100-continue"]
    }
}

extension Client {
    fileprivate func check(_ files: JSONValue, item: ItemID?) async throws -> Answer {
        let item = item.map { ["item_id": JSONValue.string($0.description)] } ?? [:]
        return try await send("POST", "/v1/uploads/check", json: item.merging(["files": files]) { $1 })
    }
}

private struct Transactions: RowDecodable {
    let rows: Int
    let transactions: Int

    init(from row: borrowing Row) throws(DatabaseError) {
        rows = try row["rows"]
        transactions = try row["transactions"]
    }
}
