import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Whatever is refused is refused clearly, and leaves nothing on the disk or in the database.
    @Suite struct UploadRefusals {
        @Test("An upload cut in the middle leaves nothing")
        func truncatedBody() async throws {
            try await TestStack.with { stack in
                let item = try await stack.client.makeItem()
                let photo = try await Samples(in: stack.directory).photo("photo.jpg", bytes: 2_000_000)
                let body = try Multipart.body([photo])
                let head = [
                    "POST /v1/items/\(item)/assets HTTP/1.1", "Content-Type: \(Multipart.type)",
                    "Content-Length: \(body.count)",
                ]
                try await stack.sendCut(head, body, at: [0.02, 0.5, 0.999])
                let whole = try await stack.client.upload([photo], to: item)
                #expect(whole.status == 201)
            }
        }

        @Test(
            "A file that is not what it claims to be, an empty one and one of a sort that is not listed are refused with a code each"
        )
        func wrongType() async throws {
            try await TestStack.with(environment: ["DOCUMENT_TYPES": "pdf"]) { stack in
                let item = try await stack.client.makeItem()
                let samples = Samples(in: stack.directory)
                let page = try stack.file("page.jpg", Data("<html><script>alert(1)</script></html>".utf8))
                let playlist = try stack.file("video.mp4", Data("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n".utf8))
                let program = Data([0x7F]) + Data("ELF".utf8) + Data(repeating: 0, count: 99)
                let binary = try stack.file("program.bin", program)
                let empty = try samples.zeroes("empty.jpg", bytes: 0)

                let answer = try await stack.client.upload([page, playlist, binary, empty], to: item)
                #expect(answer.status == 422)
                #expect(answer.json["code"] == "no_file_accepted")
                #expect(answer.json["request_id"].string?.isEmpty == false)
                let codes = answer.json["rejected"].elements.map { $0["code"].string }
                #expect(codes == ["content_mismatch", "content_mismatch", "unsupported_type", "empty_file"])
                try await stack.expectNothingStored()

                let photo = try await samples.png()
                let mixed = try await stack.client.upload([page, photo], to: item)
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
            try await TestStack.with(environment: limits) { stack in
                let item = try await stack.client.makeItem()
                let samples = Samples(in: stack.directory)
                let large = try await samples.photo("large.jpg", bytes: 1_500_000)
                let answer = try await stack.client.upload([large], to: item)
                #expect(answer.status == 413)
                #expect(answer.json["code"] == "file_too_large")

                var many: [URL] = []
                for number in 1...5 { many.append(try await samples.photo("\(number).jpg", bytes: 600_000)) }
                let together = try await stack.client.upload(Array(many.prefix(4)), to: item)
                #expect(together.status == 413)
                #expect(together.json["code"] == "images_too_large")
                let small = try await samples.png()
                let files = try await stack.client.upload(Array(repeating: small, count: 5), to: item)
                #expect(files.status == 413)
                #expect(files.json["code"] == "too_many_files")
                try await stack.expectNothingStored()
            }
        }

        @Test("A body that is longer than any request may be is refused before it is sent")
        func expectContinue() async throws {
            try await TestStack.with { stack in
                let item = try await stack.client.makeItem()
                let huge = try Samples(in: stack.directory).zeroes("huge.mov", bytes: 9 << 30)
                let answer = try await stack.client.upload([huge], to: item, curl: ["-H", "Expect: 100-continue"])
                #expect(answer.status == 413)
                #expect(answer.json["code"] == "request_too_large")
                #expect(answer.uploaded == 0)
                try await stack.expectNothingStored()
            }
        }

        @Test("Another company's items and assets are not there")
        func otherCompany() async throws {
            try await TestStack.with { stack in
                let item = try await stack.client.makeItem()
                let photo = try await Samples(in: stack.directory).png()
                let upload = try await stack.client.upload([photo], to: item)
                let asset = try #require(upload.json["assets"].elements.first?["id"].string)
                let spy = try await stack.stranger()
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
                for path in ["/v1/items/\(item)", "/v1/assets/\(asset)"] {
                    #expect(try await stack.client.send("GET", path).status == 200, "\(path)")
                }
                let nobody = Client(base: stack.client.base)
                for (method, path) in calls {
                    #expect(try await nobody.send(method, path).status == 401, "\(method) \(path)")
                }
            }
        }
    }
}
