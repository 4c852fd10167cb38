import Foundation
import TestSupport
import Testing

extension Integration {
    /// Uploads through nginx, which has to let refusals through while a body is still coming.
    @Suite struct NginxUploads {
        @Test("Files come through as multipart, as they are, by tus, and by the draft without interim answers")
        func accepted() async throws {
            try await TestStack.with(environment: ["TRUST_PROXY": "true"]) { stack in
                try await Nginx.with(stack, to: try stack.client.port) { nginx in
                    let item = try await stack.client.makeItem()
                    let photo = try await stack.quickPhoto("photo.jpg", bytes: 6_000_000)
                    #expect(try await nginx.client.upload([photo], to: item).status == 201)
                    let path = "/v1/items/\(item)/assets/other.jpg"
                    #expect(try await nginx.client.send("PUT", path, curl: ["-T", photo.path]).status == 200)

                    let bytes = try document(3_000_000)
                    let client = ResumableClient(stack, client: nginx.client)
                    let upload = try await client.begin(bytes.count, item: item)
                    #expect(try await client.append(bytes.prefix(1_000_000), at: 0, to: upload).status == 204)
                    #expect(try await client.offset(of: upload) == 1_000_000)
                    let rest = bytes.dropFirst(1_000_000)
                    #expect(try await client.append(rest, at: 1_000_000, to: upload).status == 204)
                    #expect(try await client.asset(of: upload)["sha256"].string == stack.sum(of: bytes))

                    let draft = ["Upload-Draft-Interop-Version: 8", "Upload-Complete: ?1", "Expect: 100-continue"]
                    let name = ["Content-Disposition: attachment; filename=\"draft.pdf\""]
                    let answer = try await client.send("POST", "/v1/uploads", document(2_000_000), draft + name)
                    #expect(answer.status == 201, "\(answer.json)")
                }
            }
        }

        @Test("An upload's address is the public one, or the one the outermost proxy names")
        func addresses() async throws {
            try await TestStack.with(environment: ["TRUST_PROXY": "true"]) { stack in
                let set = ["TRUST_PROXY": "true", "PUBLIC_URL": "https://tolva.example.com/files"]
                let other = try await stack.startAnotherAPI(environment: set)
                let cases: [(api: Client, headers: [String], start: String)] = [
                    (stack.client, ["X-Forwarded-Proto: https, http", "Host: a.example"], "https://a.example"),
                    (stack.client, ["Forwarded: for=1.2.3.4;proto=https, proto=http", "Host: a"], "https://a"),
                    (stack.client, ["X-Forwarded-Proto: https", "X-Forwarded-Host: b.example"], "https://b.example"),
                    (stack.client(of: other), ["X-Forwarded-Proto: http"], "https://tolva.example.com/files"),
                ]
                for (api, headers, start) in cases {
                    try await Nginx.with(stack, to: try api.port) { nginx in
                        for words in [[ResumableClient.tus, "Upload-Defer-Length: 1"], ["Upload-Complete: ?0"]] {
                            let begun = try await nginx.client.send("POST", "/v1/uploads", headers: words + headers)
                            #expect(begun.headers["location"]?.hasPrefix("\(start)/v1/uploads/") == true, "\(begun)")
                        }
                    }
                }
                let document = try stack.file("a.pdf", document(1000))
                let placed = try await stack.client(of: other).put(document, to: "/v1/documents/a.pdf")
                #expect(placed.headers["location"]?.hasPrefix("/files/v1/assets/") == true, "\(placed)")
                let seen = try await other.health.metric(
                    "tolva_public_url_contradictions_total",
                    labels: "what=\"host\""
                )
                #expect(seen ?? 0 >= 3)
                #expect(try other.output.components(separatedBy: "come by another address than PUBLIC_URL").count == 2)

                let silent = try Proxy(to: try stack.client.port)
                silent.fallSilent()
                defer { silent.stop() }
                for (url, finding) in [
                    (stack.client.base, "answers"), ("http://127.0.0.1:1", "takes no connection from here"),
                    ("http://nobody..invalid", "has a name that is not found from here"),
                    ("https://127.0.0.1:\(try stack.client.port)", "does not speak TLS as it should"),
                    ("http://127.0.0.1:\(silent.port)", "does not answer from here within 3 s"),
                ] {
                    let doctor = try await stack.control("doctor", environment: ["PUBLIC_URL": url])
                    #expect(doctor.contains("\(url)/health/live \(finding)"), "\(doctor)")
                }
                try await stack.stop(other)
            }
        }

        @Test("What is too large is refused with 413 every time, as long as it may be and however it comes")
        func tooLarge() async throws {
            let limits = ["MAX_IMAGE_BYTES": "1MiB", "MAX_DOCUMENT_BYTES": "1MiB", "MAX_VIDEO_BYTES": "1MiB"]
            try await TestStack.with(environment: limits) { stack in
                try await Nginx.with(stack, to: try stack.client.port) { nginx in
                    let item = try await stack.client.makeItem()
                    let photo = try await stack.quickPhoto("photo.jpg", bytes: 40_000_000)
                    let put = ["-X", "PUT", "-T", photo.path]
                    for how in [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]] {
                        for _ in 1...5 {
                            let form = try await nginx.client.upload([photo], to: item, curl: how)
                            #expect(form.status == 413, "\(how)")
                            #expect(form.headers["content-type"] == "application/problem+json")
                            let path = "/v1/items/\(item)/assets/photo.jpg"
                            let file = try await nginx.client.send("PUT", path, curl: put + how)
                            #expect(file.status == 413, "\(how)")
                            #expect(file.json["code"] == "file_too_large")
                        }
                    }
                    try await stack.expectNothingStored()
                }
            }
        }

        @Test("A suite without room refuses with 507 every time")
        func noRoom() async throws {
            try await TestStack.with { stack in
                let full = ["VOLUME_RESERVE_BYTES": "100000TiB"]
                let api = try await stack.startAnotherAPI(environment: full, ready: false)
                try await Nginx.with(stack, to: try api.health.port) { nginx in
                    try await ResumableClient(stack, client: nginx.client).ready()
                    let item = try await stack.client.makeItem()
                    let photo = try await stack.quickPhoto("photo.jpg", bytes: 20_000_000)
                    for how in [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]] {
                        for _ in 1...5 {
                            let answer = try await nginx.client.upload([photo], to: item, curl: how)
                            #expect(answer.status == 507, "\(how)")
                            #expect(answer.json["code"] == "storage_full")
                            #expect(answer.headers["retry-after"] == "60")
                        }
                    }
                }
                try await stack.stop(api)
                try await stack.expectNothingStored()
            }
        }

        @Test("With nobody behind it, nginx says so as the API would, and when to come back")
        func nobody() async throws {
            try await TestStack.with { stack in
                try await Nginx.with(stack, to: try freePort()) { nginx in
                    let answer = try await nginx.client.send("GET", "/v1/items")
                    #expect(answer.status == 503)
                    #expect(answer.json["code"] == "unavailable")
                    #expect(answer.headers["content-type"] == "application/problem+json")
                    #expect(answer.headers["retry-after"] == "5")
                }
            }
        }
    }
}
