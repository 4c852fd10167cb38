import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Whatever is refused is refused clearly, and leaves nothing on the disk or in the database.
    @Suite struct Refusals {
        @Test("An upload cut in the middle leaves nothing")
        func truncatedBody() async throws {
            try await Suite.with { suite in
                let item = try await suite.client.makeItem()
                let photo = try await Samples(in: suite.directory).photo("photo.jpg", bytes: 2_000_000)
                let body = try Multipart.body([photo])
                for part in [0.02, 0.5, 0.999] {
                    let sent = body.prefix(Int(Double(body.count) * part))
                    try await suite.sendRaw(
                        "POST",
                        "/v1/items/\(item)/assets",
                        type: Multipart.type,
                        length: body.count,
                        body: sent
                    )
                }
                try await suite.expectNothingStored()
                let whole = try await suite.client.upload([photo], to: item)
                #expect(whole.status == 201)
            }
        }

        @Test("A file that is not what it claims to be, an empty one and an unknown one are refused with a code each")
        func wrongType() async throws {
            try await Suite.with { suite in
                let item = try await suite.client.makeItem()
                let samples = Samples(in: suite.directory)
                let page = suite.directory.appending(path: "page.jpg")
                try Data("<html><script>alert(1)</script></html>".utf8).write(to: page)
                let playlist = suite.directory.appending(path: "film.mp4")
                try Data("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n".utf8).write(to: playlist)
                let program = suite.directory.appending(path: "program.bin")
                try (Data([0x7F]) + Data("ELF".utf8) + Data(repeating: 0, count: 99)).write(to: program)
                let empty = try samples.zeroes("empty.jpg", bytes: 0)

                let answer = try await suite.client.upload([page, playlist, program, empty], to: item)
                #expect(answer.status == 422)
                #expect(answer.json["code"] == "no_file_accepted")
                #expect(answer.json["request_id"].string?.isEmpty == false)
                let codes = answer.json["rejected"].elements.map { $0["code"].string }
                #expect(codes == ["content_mismatch", "content_mismatch", "unsupported_type", "empty_file"])
                try await suite.expectNothingStored()

                let photo = try await samples.png()
                let mixed = try await suite.client.upload([page, photo], to: item)
                #expect(mixed.status == 201)
                #expect(mixed.json["assets"].elements.count == 1)
                #expect(mixed.json["rejected"].elements.count == 1)
            }
        }

        @Test("A file, a number of files or a request over its limit is refused")
        func overLimit() async throws {
            let limits = [
                "MAX_IMAGE_BYTES": "1MiB", "MAX_IMAGES_BYTES_PER_REQUEST": "2MiB", "MAX_FILES_PER_REQUEST": "4",
            ]
            try await Suite.with(environment: limits) { suite in
                let item = try await suite.client.makeItem()
                let samples = Samples(in: suite.directory)
                let large = try await samples.photo("large.jpg", bytes: 1_500_000)
                let answer = try await suite.client.upload([large], to: item)
                #expect(answer.status == 413)
                #expect(answer.json["code"] == "file_too_large")

                var many: [URL] = []
                for number in 1...5 { many.append(try await samples.photo("\(number).jpg", bytes: 600_000)) }
                let together = try await suite.client.upload(Array(many.prefix(4)), to: item)
                #expect(together.status == 413)
                #expect(together.json["code"] == "images_too_large")
                let small = try await samples.png()
                let files = try await suite.client.upload(Array(repeating: small, count: 5), to: item)
                #expect(files.status == 413)
                #expect(files.json["code"] == "too_many_files")
                try await suite.expectNothingStored()
            }
        }

        @Test("A body that is longer than any request may be is refused before it is sent")
        func expectContinue() async throws {
            try await Suite.with { suite in
                let item = try await suite.client.makeItem()
                let huge = try Samples(in: suite.directory).zeroes("huge.mov", bytes: 9 << 30)
                let answer = try await suite.client.upload([huge], to: item, curl: ["-H", "Expect: 100-continue"])
                #expect(answer.status == 413)
                #expect(answer.json["code"] == "request_too_large")
                #expect(answer.uploaded == 0)
                try await suite.expectNothingStored()
            }
        }

        @Test("Another company's items and assets are not there")
        func otherCompany() async throws {
            try await Suite.with { suite in
                let item = try await suite.client.makeItem()
                let photo = try await Samples(in: suite.directory).png()
                let upload = try await suite.client.upload([photo], to: item)
                let asset = try #require(upload.json["assets"].elements.first?["id"].string)
                try await suite.control("company", "create", "Other")
                try await suite.control(
                    "user",
                    "create",
                    "spy@example.com",
                    "--company",
                    "Other",
                    "--role",
                    "admin",
                    environment: ["TOLVA_PASSWORD": "a long enough one"]
                )
                let spy = try await Client(base: suite.client.base)
                    .signedIn(email: "spy@example.com", password: "a long enough one")
                let calls = [
                    ("GET", "/v1/items/\(item)"), ("PATCH", "/v1/items/\(item)"), ("DELETE", "/v1/items/\(item)"),
                    ("GET", "/v1/assets/\(asset)"), ("DELETE", "/v1/assets/\(asset)"),
                    ("GET", "/v1/assets/\(asset)/content"), ("GET", "/v1/assets/\(asset)/renditions/thumbnail"),
                    ("POST", "/v1/assets/\(asset)/retry"),
                ]
                for (method, path) in calls {
                    let answer = try await spy.send(method, path, json: method == "PATCH" ? ["name": "mine"] : nil)
                    #expect(answer.status == 404, "\(method) \(path)")
                }
                #expect(try await spy.upload([photo], to: item).status == 404)
                #expect(try await spy.send("GET", "/v1/items").json["items"].elements.isEmpty)
                #expect(try await spy.send("GET", "/v1/assets?item_id=\(item)").json["assets"].elements.isEmpty)
                #expect(try await suite.client.send("GET", "/v1/items/\(item)").status == 200)
                let stranger = Client(base: suite.client.base)
                for (method, path) in calls {
                    #expect(try await stranger.send(method, path).status == 401, "\(method) \(path)")
                }
            }
        }
    }
}
