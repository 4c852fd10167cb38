import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Files that nginx sends for the API.
    @Suite struct NginxDownloads {
        @Test("A file nginx sends is told from one the API sends by nothing: no header, no range, no condition")
        func same() async throws {
            try await NginxFixture.with(.mediaWorker, .zipWorker) { fixture in
                for path in try await fixture.files() {
                    let head = try await fixture.plain.send("HEAD", path)
                    let tag = try #require(head.headers["etag"])
                    let size = try #require(head.headers["content-length"])
                    for headers in conditions(tag: tag, size: size, modified: head.headers["last-modified"]) {
                        try await fixture.expectSame(path, headers)
                        try await fixture.expectSame(path, headers, method: "HEAD")
                    }
                }
            }
        }

        @Test("The API hands a file over without a byte of it, and no client sees where it lies")
        func handedOver() async throws {
            try await NginxFixture.with { fixture in
                let path = try await fixture.upload()
                let api = try await fixture.stack.client.send("GET", path)
                #expect(api.headers["x-accel-redirect"]?.hasPrefix("/volumes/main/originals/") == true)
                #expect(api.body.isEmpty)
                let client = try await fixture.client.send("GET", path, headers: ["X-Request-Id: only-once"])
                #expect(client.status == 200)
                #expect(client.headers["x-accel-redirect"] == nil)
                #expect(client.body.count == 20_000)
                // Asked again, the API would have sent it.
                #expect(try await fixture.logged("only-once").contains("\"upstream_status\":\"200\""))
            }
        }

        @Test("Where the files lie leads nowhere for a client, and headers meant for nginx do nothing")
        func hostile() async throws {
            try await NginxFixture.with { fixture in
                let path = try await fixture.upload()
                let place = try #require(try await fixture.stack.client.send("GET", path).headers["x-accel-redirect"])
                let below = place.dropFirst("/volumes/".count)
                for address in [place, "//volumes/\(below)", "/%76olumes/\(below)", "/v1/../volumes/\(below)"] {
                    let answer = try await fixture.client.send("GET", address, curl: ["--path-as-is"])
                    #expect(answer.status == 404, "\(address)")
                    #expect(answer.json["code"] == "no_such_route", "\(address)")
                }
                for name in ["X-Accel-Failed: 1", "X-Accel-Redirect: /volumes/\(below)", "X-Accel-Limit-Rate: 1"] {
                    try await fixture.expectSame(path, [name])
                    let unknown = try await fixture.client.send("GET", "/v1/assets/\(AssetID.new())", headers: [name])
                    #expect(unknown.status == 404)
                }
                let failed = try await fixture.client.send("GET", path, headers: ["X-Accel-Failed: 1"])
                #expect(failed.status == 200)
            }
        }

        @Test("A file on another volume is sent too; one on a volume nginx has not is sent by the API")
        func volumes() async throws {
            try await NginxFixture.with { fixture in
                let path = try await fixture.upload()
                try await fixture.moveOriginals()
                let place = try await fixture.stack.client.send("GET", path).headers["x-accel-redirect"]
                #expect(place?.hasPrefix("/volumes/second/") == true)
                let headers = [[], ["Range: bytes=5-9"], ["Range: bytes=5-9", "If-Range: \"other\""]]
                for headers in headers { try await fixture.expectSame(path, headers) }

                try FileManager.default.removeItem(at: fixture.nginx.mounts.appending(path: "second"))
                for headers in headers { try await fixture.expectSame(path, headers) }
            }
        }

        @Test("A file that is gone is said as the API says it")
        func gone() async throws {
            try await NginxFixture.with { fixture in
                let path = try await fixture.upload()
                let asset = path.replacing("/content", with: "")
                #expect(try await fixture.client.send("DELETE", asset).status == 204)
                try await fixture.expectSame(path, [])
                #expect(try await fixture.client.send("GET", path).json["code"] == "not_found")
            }
        }
    }
}

/// What clients ask of a file that they have a part of, and what hostile ones do.
private func conditions(tag: String, size: String, modified: String?) -> [[String]] {
    let (past, future) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 2094 08:49:37 GMT")
    let ranges = [
        "bytes=0-99", "bytes=100-", "bytes=-50", "bytes=0-0", "bytes=0-99999999", "bytes=\(size)-", "bytes=9-3",
        "bytes=-0", "bytes=5-9,20-30", "bytes=abc", "bytes=-", "items=0-4", "bytes=0-99999999999999999999",
    ]
    let tags = [tag, "W/\(tag)", "\"other\"", "*", "\"other\", \(tag)"]
    var all = [[]] + ranges.map { ["Range: \($0)"] }
    all += tags.flatMap { [["If-Match: \($0)"], ["If-None-Match: \($0)"], ["If-Range: \($0)", "Range: bytes=5-9"]] }
    for date in [past, future] + (modified.map { [$0] } ?? []) {
        all += [["If-Modified-Since: \(date)"], ["If-Unmodified-Since: \(date)"]]
        all += [
            ["If-Range: \(date)", "Range: bytes=5-9"], ["If-None-Match: \"other\"", "If-Modified-Since: \(date)"],
        ]
    }
    return all
}

extension NginxFixture {
    /// Uploads a document with a name that URLs and headers cannot hold, and gives where its bytes are.
    fileprivate func upload() async throws -> String {
        let file = try stack.file("document-\(UUID())", document(20_000))
        let path = "/v1/documents/a%C3%B1o%20%22100%25%22.pdf"
        let answer = try await client.send("PUT", path, curl: ["-T", file.path])
        return try #require(answer.json["url"].string, "\(answer.status) \(answer.json)")
    }

    /// What nginx has written of a request.
    fileprivate func logged(_ requestID: String) async throws -> Substring {
        var line: Substring?
        try await eventually("\(requestID) is in the log") {
            line = try String(contentsOf: nginx.log, encoding: .utf8).split(separator: "\n").first {
                $0.contains("\"request_id\":\"\(requestID)\"")
            }
            return line != nil
        }
        return line ?? ""
    }

    /// One file of each kind: an original, a rendition, a part of an export.
    fileprivate func files() async throws -> [String] {
        let original = try await upload()
        let photo = try await stack.uploadOne(try await Samples(in: stack.directory).png())
        let rendition = try await stack.client.settled(photo)["renditions"].elements.first?["url"].string
        let export = try await stack.endedExport(try await stack.requestExport())
        let part = export["parts"].elements.first?["url"].string
        return [original, try #require(rendition), try #require(part)]
    }
}
