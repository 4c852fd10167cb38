import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Files without multipart around them, digests, and the question which files are here.
    @Suite struct Uploads {
        @Test("A file that is put keeps its name and its bytes; put again it is the same asset")
        func put() async throws {
            try await Suite.with { suite in
                let item = try await suite.client.makeItem()
                let photo = try await Samples(in: suite.directory).photo("photo.jpg", bytes: 3_000_000)
                let path = "/v1/items/\(item)/assets/a%C3%B1o%201.jpg"
                let first = try await suite.client.put(photo, to: path)
                #expect(first.status == 201)
                #expect(first.json["filename"] == "a\u{F1}o 1.jpg")
                #expect(first.json["kind"] == "image")
                #expect(first.json["duplicate"] == .bool(false))
                let id = try #require(first.json["id"].string)
                #expect(first.headers["location"] == "/v1/assets/\(id)")
                let original = try await suite.client.send("GET", "/v1/assets/\(id)/content")
                #expect(original.body == (try Data(contentsOf: photo)))

                let again = try await suite.client.put(photo, to: path, curl: ["-H", "Transfer-Encoding: chunked"])
                #expect(again.status == 200)
                #expect(again.json["id"].string == id)
                #expect(again.json["duplicate"] == .bool(true))
                #expect(suite.files.count == 1)
            }
        }

        @Test("A document that is put to the company hangs on no item")
        func document() async throws {
            try await Suite.with { suite in
                let text = suite.directory.appending(path: "procedure.txt")
                try Data("Turn it off and on again.\n".utf8).write(to: text)
                let answer = try await suite.client.put(text, to: "/v1/documents/procedure.txt")
                #expect(answer.status == 201)
                #expect(answer.json["item_id"] == .null)
                #expect(answer.json["status"] == "ready")
            }
        }

        @Test("What a file that is put is refused for is said with its code, and leaves nothing")
        func refusals() async throws {
            try await Suite.with(environment: ["MAX_IMAGE_BYTES": "1MiB"]) { suite in
                let item = try await suite.client.makeItem()
                let samples = Samples(in: suite.directory)
                let page = suite.directory.appending(path: "page.jpg")
                try Data("<html><script>alert(1)</script></html>".utf8).write(to: page)
                let empty = try samples.zeroes("empty.jpg", bytes: 0)
                let large = try await samples.photo("large.jpg", bytes: 2_000_000)
                let cases: [(URL, String, [String], Int, String)] = [
                    (page, "page.jpg", [], 422, "content_mismatch"),
                    (empty, "empty.jpg", [], 422, "empty_file"),
                    (large, "large.jpg", [], 413, "file_too_large"),
                    (large, "large.jpg", ["-H", "Transfer-Encoding: chunked"], 413, "file_too_large"),
                    (page, "a%00.txt", [], 400, "bad_filename"),
                    (page, "a%zz.txt", [], 400, "bad_filename"),
                    (page, String(repeating: "a", count: 256), [], 400, "filename_too_long"),
                    (page, "a.txt", ["-H", "Content-Type: multipart/form-data"], 415, "unsupported_media_type"),
                    (page, "a.txt", ["-H", "Content-Encoding: gzip"], 415, "unsupported_media_type"),
                    (page, "a.txt", ["-H", "Content-Range: bytes 0-9/38"], 400, "partial_put"),
                    (page, "a.txt", ["-H", "Content-Digest: sha-256"], 400, "bad_digest"),
                ]
                for (file, name, headers, status, code) in cases {
                    let answer = try await suite.client.put(file, to: "/v1/items/\(item)/assets/\(name)", curl: headers)
                    #expect(answer.status == status, "\(name) \(headers)")
                    #expect(answer.json["code"].string == code, "\(name) \(headers)")
                }
                #expect(try await suite.client.put(page, to: "/v1/items/\(ItemID.new())/assets/a").status == 404)
                try await suite.expectNothingStored()
            }
        }

        @Test("A file that is too long for any kind, or for the disk, is refused before it is sent")
        func refusedBeforeTheBody() async throws {
            try await Suite.with { suite in
                let huge = try Samples(in: suite.directory).zeroes("huge.mov", bytes: 3 << 30)
                let answer = try await suite.client.put(huge, to: "/v1/documents/a.mov", curl: Self.expecting)
                #expect(answer.status == 413)
                #expect(answer.json["code"] == "file_too_large")
                #expect(answer.uploaded == 0)
                try await suite.expectNothingStored()
            }
            try await Suite.with(environment: ["MAX_VIDEO_BYTES": "9TiB"]) { suite in
                let file = try Samples(in: suite.directory).zeroes("a.mov", bytes: 8 << 40)
                let answer = try await suite.client.put(file, to: "/v1/documents/a.mov", curl: Self.expecting)
                #expect(answer.status == 507)
                #expect(answer.headers["retry-after"] != nil)
                #expect(answer.uploaded == 0)
                try await suite.expectNothingStored()
            }
        }

        @Test("A file that is cut while it is put leaves nothing")
        func cut() async throws {
            try await Suite.with { suite in
                let photo = try await Samples(in: suite.directory).photo("photo.jpg", bytes: 4_000_000)
                let body = try Data(contentsOf: photo)
                for part in [0.0, 0.02, 0.5, 0.999] {
                    try await suite.sendRaw(
                        "PUT",
                        "/v1/documents/photo.jpg",
                        type: "image/jpeg",
                        length: body.count,
                        body: body.prefix(Int(Double(body.count) * part))
                    )
                }
                try await suite.expectNothingStored()
                #expect(try await suite.client.put(photo, to: "/v1/documents/photo.jpg").status == 201)
            }
        }

        @Test("Bytes that are not those the digest names are not stored, as a file or in a form")
        func digests() async throws {
            try await Suite.with { suite in
                let item = try await suite.client.makeItem()
                let photo = try await Samples(in: suite.directory).png()
                let path = "/v1/items/\(item)/assets/photo.png"
                let right = try await Self.digest(of: photo)
                let wrong = "sha-256=:\(String(repeating: "A", count: 43))=:"
                for field in ["Content-Digest", "Repr-Digest"] {
                    let answer = try await suite.client.put(photo, to: path, curl: ["-H", "\(field): \(wrong)"])
                    #expect(answer.status == 400)
                    #expect(answer.json["code"] == "digest_mismatch")
                    let form = try await suite.client.upload([photo], to: item, curl: ["-H", "\(field): \(wrong)"])
                    #expect(form.status == 400)
                    #expect(form.json["code"] == "digest_mismatch")
                }
                try await suite.expectNothingStored()

                let good = ["-H", "Content-Digest: sha-512=:AAAA:, \(right)", "-H", "Repr-Digest: \(right)"]
                #expect(try await suite.client.put(photo, to: path, curl: good).status == 201)

                let form = suite.directory.appending(path: "form")
                try Multipart.body([photo]).write(to: form)
                let answer = try await suite.client.send(
                    "POST",
                    "/v1/items/\(item)/assets",
                    headers: ["Content-Type: \(Multipart.type)", "Content-Digest: \(try await Self.digest(of: form))"],
                    curl: ["--data-binary", "@\(form.path)"]
                )
                #expect(answer.status == 201)
            }
        }

        @Test("A client learns which files it need not send again, and nothing of other items and companies")
        func check() async throws {
            try await Suite.with { suite in
                let samples = Samples(in: suite.directory)
                let (held, missing) = (try await samples.png(), try await samples.photo("photo.jpg", bytes: 20_000))
                let item = try await suite.client.makeItem()
                let asset = try await suite.client.put(held, to: "/v1/items/\(item)/assets/a.png").json["id"]
                let digests = [
                    try await Self.sha256(held), try await Self.sha256(missing), try await Self.sha256(held),
                ]
                let bytes = try Data(contentsOf: held).count
                let files: JSONValue = .array([
                    .object(["sha256": .string(digests[0].uppercased()), "bytes": .integer(Int64(bytes))]),
                    .object(["sha256": .string(digests[1]), "filename": "photo.jpg"]),
                    .object(["sha256": .string(digests[2]), "bytes": .integer(Int64(bytes) + 1)]),
                ])
                let answer = try await suite.client.check(files, item: item)
                #expect(answer.status == 200)
                let results = answer.json["files"].elements
                #expect(results.map { $0["sha256"].string } == digests)
                #expect(results.map { $0["exists"] } == [.bool(true), .bool(false), .bool(false)])
                #expect(results.first?["asset"]["id"] == asset)
                #expect(results.last?["asset"] == .null)

                let other = try await suite.client.makeItem()
                for item in [other, nil] {
                    let answer = try await suite.client.check(files, item: item)
                    #expect(
                        answer.json["files"].elements.map { $0["exists"] }
                            == Array(repeating: .bool(false), count: 3)
                    )
                }
                try await suite.control("company", "create", "Other")
                let spy = try await suite.member(of: "Other")
                #expect(try await spy.check(files, item: item).status == 404)
                #expect(try await spy.put(held, to: "/v1/items/\(item)/assets/a.png").status == 404)
                #expect(try await suite.client.check(.array([]), item: item).status == 400)
            }
        }

        private static let expecting = ["-H", "Expect: 100-continue"]

        private static func sha256(_ file: URL) async throws -> String {
            String(try await run("sha256sum", file.path).prefix(64))
        }

        private static func digest(of file: URL) async throws -> String {
            let digest = try await run("sh", "-c", "openssl dgst -sha256 -binary '\(file.path)' | base64")
            return "sha-256=:\(digest.trimmingCharacters(in: .newlines)):"
        }
    }
}

extension Client {
    fileprivate func put(_ file: URL, to path: String, curl more: [String] = []) async throws -> Answer {
        try await send("PUT", path, curl: ["-T", file.path] + more)
    }

    fileprivate func check(_ files: JSONValue, item: ItemID?) async throws -> Answer {
        let item = item.map { ["item_id": JSONValue.string($0.description)] } ?? [:]
        return try await send("POST", "/v1/uploads/check", json: item.merging(["files": files]) { $1 })
    }
}

extension TestSupport.Suite {
    /// Signed in as somebody of another company.
    fileprivate func member(of company: String) async throws -> Client {
        let password = "a long enough one"
        try await control(
            "user",
            "create",
            "other@example.com",
            "--company",
            company,
            "--role",
            "member",
            environment: ["TOLVA_PASSWORD": password]
        )
        return try await Client(base: client.base).signedIn(email: "other@example.com", password: password)
    }
}
