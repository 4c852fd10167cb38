import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Uploads that come in several requests: tus 1.0.
    @Suite struct Resumable {
        @Test("Every request tus forbids is refused with its status and code, and changes nothing")
        func refusals() async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let path = try await client.begin(1000)
                _ = try await client.append(document(100), at: 0, to: path)
                let octets = "Content-Type: application/offset+octet-stream"
                let tus = ResumableClient.tus
                let id = UUID().uuidString.lowercased()
                let cases: [(String, String, [String], Int, String)] = [
                    ("POST", "/v1/uploads", ["Upload-Length: 5"], 412, "tus_version"),
                    ("POST", "/v1/uploads", ["Tus-Resumable: 0.2.2", "Upload-Length: 5"], 412, "tus_version"),
                    ("POST", "/v1/uploads", [tus], 400, "bad_length"),
                    ("POST", "/v1/uploads", [tus, "Upload-Length: -1"], 400, "bad_length"),
                    ("POST", "/v1/uploads", [tus, "Upload-Defer-Length: 2"], 400, "bad_length"),
                    ("POST", "/v1/uploads", [tus, "Upload-Length: 9999999999"], 413, "file_too_large"),
                    (
                        "POST", "/v1/uploads", [tus, "Upload-Length: 5", "Upload-Metadata: filename ?"], 400,
                        "bad_metadata"
                    ),
                    (
                        "POST", "/v1/uploads", [tus, "Upload-Length: 5", "Upload-Metadata: a YQ==,a YQ=="], 400,
                        "bad_metadata"
                    ),
                    (
                        "POST", "/v1/uploads", [tus, "Upload-Length: 5", "Upload-Metadata: filename AA=="], 400,
                        "bad_filename"
                    ),
                    ("POST", "/v1/uploads", [tus, "Upload-Concat: final;\(path)"], 400, "bad_concat"),
                    ("PATCH", path, [octets, "Upload-Offset: 100"], 412, "tus_version"),
                    (
                        "PATCH", path, [tus, "Content-Type: text/plain", "Upload-Offset: 100"], 415,
                        "unsupported_media_type"
                    ),
                    ("PATCH", path, [tus, octets], 400, "bad_offset"),
                    ("PATCH", path, [tus, octets, "Upload-Offset: -1"], 400, "bad_offset"),
                    ("PATCH", path, [tus, octets, "Upload-Offset: 1e3"], 400, "bad_offset"),
                    ("PATCH", path, [tus, octets, "Upload-Offset: 0x10"], 400, "bad_offset"),
                    ("PATCH", path, [tus, octets, "Upload-Offset: 99"], 409, "offset_mismatch"),
                    (
                        "PATCH", path, [tus, octets, "Upload-Offset: 100", "Upload-Checksum: crc9 AAAA"], 400,
                        "bad_checksum"
                    ),
                    (
                        "PATCH", path, [tus, octets, "Upload-Offset: 100", "Upload-Length: 999"], 400,
                        "inconsistent_length"
                    ),
                    ("PATCH", "/v1/uploads/\(id)", [tus, octets, "Upload-Offset: 0"], 404, "not_found"),
                    ("DELETE", path, [], 412, "tus_version"),
                ]
                for (method, path, headers, status, code) in cases {
                    let answer = try await client.send(method, path, Data(), headers)
                    #expect(answer.status == status, "\(method) \(headers) \(answer.json)")
                    #expect(answer.json["code"].string == code, "\(method) \(headers) \(answer.json)")
                    if status == 412 { #expect(answer.headers["tus-version"] == "1.0.0") }
                }
                let long = try await client.append(document(901), at: 100, to: path)
                #expect(long.status == 413)
                #expect(try await client.offset(of: path) == 100)
                #expect(try await stack.uploads.map(\.received) == [100])
                #expect(stack.files.count == 1, "\(stack.files)")
            }
        }

        @Test("OPTIONS says what there is, and nobody has to sign in for it")
        func options() async throws {
            try await TestStack.with { stack in
                let answer = try await Client(base: stack.client.base).send("OPTIONS", "/v1/uploads")
                #expect(answer.status == 204)
                #expect(answer.headers["tus-version"] == "1.0.0")
                #expect(answer.headers["tus-checksum-algorithm"] == "sha1,sha256,md5")
                #expect(answer.headers["accept-patch"]?.contains("application/partial-upload") == true)
                for name in ["creation-defer-length", "checksum", "expiration", "termination", "concatenation"] {
                    #expect(answer.headers["tus-extension"]?.contains(name) == true)
                }
            }
        }

        @Test("A photo that was cut again and again becomes the same asset as one sent at once")
        func cuts() async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let photo = try await Samples(in: stack.directory).photo("photo.jpg", bytes: 3_000_000)
                let bytes = try Data(contentsOf: photo)
                let item = try await stack.client.makeItem()
                let path = try await client.begin(bytes.count, name: "photo.jpg", item: item)
                for _ in 1...12 {
                    let offset = try await client.offset(of: path)
                    let count = Int.random(in: 0...min(400_000, bytes.count - offset - 1))
                    _ = try client.beginSending(bytes, from: offset, count: count, to: path)
                }
                try await client.finish(bytes, path)
                let asset = try await client.asset(of: path)
                #expect(try await asset["sha256"].string == stack.sum(of: bytes))
                #expect(asset["item_id"].string == item.description)
                #expect(asset["kind"] == "image")
                #expect(stack.files.count == 1, "\(stack.files)")

                let again = try await stack.client.upload([photo], to: item)
                #expect(again.json["assets"].elements.first?["id"] == asset["id"])
            }
        }

        @Test("The process is killed in the middle, and another goes on with what was recorded")
        func killed() async throws {
            try await TestStack.with { stack in
                let bytes = try document(40_000_000)
                let path = try await ResumableClient(stack).begin(bytes.count)
                let connection = try ResumableClient(stack).beginSending(bytes, from: 0, count: 39_000_000, to: path)
                try await stack.recorded { $0 >= 16 << 20 }
                try await stack.api.killed()
                withExtendedLifetime(connection) {}

                let second = try await stack.start(.api)
                let client = ResumableClient(stack)
                let offset = try await client.offset(of: path)
                #expect(offset >= 16 << 20)
                #expect(try await client.append(bytes[offset...], at: offset, to: path).status == 204)
                #expect(try await client.asset(of: path)["sha256"].string == stack.sum(of: bytes))
                #expect(stack.files.count == 1, "\(stack.files)")
                try await stack.stop(second)
            }
        }

        @Test("A request takes the upload from a connection that hangs, in the same process and in another")
        func takenOver() async throws {
            try await TestStack.with { stack in
                let second = try await stack.startAnotherAPI()
                let (one, other) = (ResumableClient(stack), ResumableClient(stack, client: stack.client(of: second)))
                let bytes = try document(9_000_000)
                let path = try await one.begin(bytes.count)
                let first = try one.beginSending(bytes, from: 0, count: 3_000_000, to: path)
                // What a connection that is cut has sent last may be lost on its way.
                let taken = try await other.offset(of: path)
                #expect((0...3_000_000).contains(taken))
                let next = try one.beginSending(bytes, from: taken, count: 3_000_000, to: path)
                let again = try await one.offset(of: path)
                #expect((taken...(taken + 3_000_000)).contains(again))
                let last = try other.beginSending(bytes, from: again, count: 1_000_000, to: path)
                try await stack.held()
                let offset = try await one.offset(of: path)
                #expect(try await one.append(bytes[offset...], at: offset, to: path).status == 204)
                #expect(try await other.asset(of: path)["sha256"].string == stack.sum(of: bytes))
                withExtendedLifetime([first, next, last]) {}
                try await stack.stop(second)
            }
        }

        @Test("A process told to stop records what has arrived, ends, and another goes on")
        func stopped() async throws {
            try await TestStack.with { stack in
                let bytes = try document(4_000_000)
                let client = ResumableClient(stack)
                let path = try await client.begin(bytes.count)
                let connection = try client.beginSending(bytes, from: 0, count: 3_000_000, to: path)
                // It is written in pieces; of the last ones nobody knows whether they have arrived.
                let arrived = 2_000_000
                try await eventually("most of it has arrived") {
                    let file = try stack.spooled.first.map { try Data(contentsOf: stack.media.appending(path: $0)) }
                    return file?.count ?? 0 >= arrived
                }
                try await stack.stop(stack.api)
                withExtendedLifetime(connection) {}
                let second = try await stack.start(.api)
                let offset = try await client.offset(of: path)
                #expect((arrived...3_000_000).contains(offset))
                #expect(try await client.append(bytes[offset...], at: offset, to: path).status == 204)
                #expect(try await client.asset(of: path)["sha256"].string == stack.sum(of: bytes))
                try await stack.stop(second)
            }
        }

        @Test("Killed between the file's link and the commit, the upload is finished by whoever asks for it next")
        func killedBeforeCommit() async throws {
            try await TestStack.with { stack in
                let bytes = try document(2_000_000)
                let client = ResumableClient(stack)
                let path = try await client.begin(bytes.count)
                try await stack.database.withTransaction { connection in
                    // The commit waits for this; the link before it does not.
                    _ = try await connection.run(Query<NoRow>("LOCK TABLE assets IN EXCLUSIVE MODE")())
                    let request = Task { try? await client.append(bytes, at: 0, to: path) }
                    try await eventually("the file is linked") {
                        stack.files.contains { $0.hasPrefix("originals/") }
                    }
                    try await stack.api.killed()
                    _ = await request.value
                    // Its session would go on with the commit as soon as the lock is gone.
                    _ = try await connection.run(
                        Query<NoRow>(
                            """
                            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                             WHERE datname = current_database() AND wait_event_type = 'Lock'
                            """
                        )()
                    )
                }
                let second = try await stack.start(.api)
                #expect(try await client.offset(of: path) == bytes.count)
                let asset = try await client.asset(of: path)
                #expect(try await asset["sha256"].string == stack.sum(of: bytes))
                #expect(asset["status"] == "ready")
                #expect(stack.files.count == 1, "\(stack.files)")
                try await stack.stop(second)
            }
        }

        @Test(
            "A chunk with a wrong checksum is as if it had not come; with the right one it is kept",
            arguments: ["sha1", "sha256", "md5"]
        )
        func checksum(_ algorithm: String) async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let bytes = try document(20_000)
                let path = try await client.begin(bytes.count)
                let right = "\(algorithm) \(try await stack.base64Sum(algorithm, of: bytes))"
                let wrong = "\(algorithm) \(try await stack.base64Sum(algorithm, of: document(20_000)))"
                let refused = try await client.append(bytes, at: 0, to: path, headers: ["Upload-Checksum: \(wrong)"])
                #expect(refused.status == 460)
                #expect(try await client.offset(of: path) == 0)
                let kept = try await client.append(bytes, at: 0, to: path, headers: ["Upload-Checksum: \(right)"])
                #expect(kept.status == 204)
                #expect(try await client.asset(of: path)["sha256"].string == stack.sum(of: bytes))
            }
        }

        @Test("A length that is told later, and a body without one, end with the right file")
        func deferredLength() async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let bytes = try document(50_000)
                let name = "Upload-Metadata: filename \(Data("later.pdf".utf8).base64EncodedString())"
                let path = try await client.beginWithoutLength(headers: [name])
                let chunked = "Transfer-Encoding: chunked"
                #expect(try await client.append(bytes[..<30_000], at: 0, to: path, headers: [chunked]).status == 204)
                let standing = try await client.client.send("HEAD", path, headers: [ResumableClient.tus])
                #expect(standing.headers["upload-defer-length"] == "1")
                #expect(standing.headers["upload-metadata"] == String(name.dropFirst("Upload-Metadata: ".count)))
                let last = try await client.append(
                    bytes[30_000...],
                    at: 30_000,
                    to: path,
                    headers: ["Upload-Length: 50000"]
                )
                #expect(last.status == 204)
                #expect(try await client.asset(of: path)["sha256"].string == stack.sum(of: bytes))
            }
        }

        @Test("Parts that were uploaded by themselves become one asset, in the order that was asked for")
        func concatenation() async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let bytes = try document(5_000_001)
                var paths: [String] = []
                for range in [0..<2_000_000, 2_000_000..<2_000_003, 2_000_003..<bytes.count] {
                    let path = try await client.begin(range.count, headers: ["Upload-Concat: partial"])
                    #expect(try await client.append(bytes[range], at: 0, to: path).status == 204)
                    paths.append(path)
                }
                #expect(try await stack.client.send("GET", "/v1/assets").json["assets"].elements.isEmpty)
                let final = "final;\(paths[0]) http://phone.example\(paths[1]) \(paths[2])"
                let answer = try await client.send(
                    "POST",
                    "/v1/uploads",
                    Data(),
                    [ResumableClient.tus, "Upload-Concat: \(final)"]
                )
                #expect(answer.status == 201, "\(answer.json)")
                let path = try #require(answer.uploadPath)
                #expect(try await client.asset(of: path)["sha256"].string == stack.sum(of: bytes))
                let standing = try await client.client.send("HEAD", path, headers: [ResumableClient.tus])
                #expect(standing.headers["upload-concat"] == final)
                #expect(try await client.append(Data([1]), at: bytes.count, to: path).status == 403)
            }
        }

        @Test("Content that is not stored, and a kind that may not be so long, are refused from the first bytes")
        func refusedContent() async throws {
            try await TestStack.with(environment: ["MAX_DOCUMENT_BYTES": "1MiB"]) { stack in
                let client = ResumableClient(stack)
                let item = try await stack.client.makeItem()
                let page = try await client.begin(1 << 30, name: "video.mp4", item: item)
                let html = Data("<html>".utf8) + Data(repeating: 0x20, count: 5000)
                let refused = try await client.append(html, at: 0, to: page)
                #expect(refused.status == 422)
                #expect(refused.json["code"] == "content_mismatch")
                let long = try await client.begin(2 << 20)
                let tooLong = try await client.append(document(5000), at: 0, to: long)
                #expect(tooLong.status == 413)
                #expect(tooLong.json["code"] == "file_too_large")
                for path in [page, long] {
                    #expect(try await client.client.send("HEAD", path, headers: [ResumableClient.tus]).status == 404)
                }
                try await stack.expectNothingStored()
            }
        }

        @Test("What nobody goes on with expires, and its bytes go; what is given up goes at once")
        func expiry() async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let abandoned = try await client.begin(10_000)
                _ = try await client.append(document(5000), at: 0, to: abandoned)
                let cancelled = try await client.begin(10_000)
                #expect(stack.files.count == 2)
                let cancel = try await client.send("DELETE", cancelled, Data(), [ResumableClient.tus])
                #expect(cancel.status == 204)
                #expect(stack.files.count == 1)
                _ = try await stack.database.run(Query<NoRow>("UPDATE uploads SET expires_at = now()")())
                let answer = try await client.client.send("HEAD", abandoned, headers: [ResumableClient.tus])
                #expect(answer.status == 404)
                // A process sweeps as soon as it starts.
                let second = try await stack.startAnotherAPI(ready: false)
                try await eventually("file and row are gone") {
                    try await stack.uploads.isEmpty && stack.files.isEmpty
                }
                try await stack.stop(second)
            }
        }

        @Test("A company has so many unfinished uploads and no more; finishing one makes room")
        func bound() async throws {
            try await TestStack.with(environment: ["MAX_UNFINISHED_UPLOADS": "2"]) { stack in
                let client = ResumableClient(stack)
                let headers = [ResumableClient.tus, "Upload-Length: 20"]
                let path = try await client.begin(20)
                _ = try await client.begin(20)
                let refused = try await client.send("POST", "/v1/uploads", Data(), headers)
                #expect(refused.status == 429)
                #expect(refused.headers["retry-after"] != nil)
                #expect(stack.files.count == 2)
                #expect(try await client.append(document(20), at: 0, to: path).status == 204)
                _ = try await client.begin(20)
            }
        }

        @Test("Another company's user sees nothing of an upload")
        func foreign() async throws {
            try await TestStack.with { stack in
                let path = try await ResumableClient(stack).begin(100)
                let stranger = try await stack.stranger()
                for method in ["HEAD", "GET", "PATCH", "DELETE"] {
                    let headers = [
                        ResumableClient.tus, "Content-Type: application/offset+octet-stream", "Upload-Offset: 0",
                    ]
                    #expect(try await stranger.send(method, path, headers: headers).status == 404, "\(method)")
                }
            }
        }
    }
}
