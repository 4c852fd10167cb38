import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// What is neither a picture nor a video, and where those may not go.
    @Suite struct Documents {
        @Test("Any other file is kept, bit for bit, and is given back so that nothing in it runs")
        func served() async throws {
            try await TestStack.with { stack in
                let pdf = Data("%PDF-1.4\n%%EOF\n".utf8)
                let csv = Data("a".utf8) + [0xF1] + Data("o;1\r\n".utf8)
                let cases: [(name: String, bytes: Data, type: String, disposition: String)] = [
                    ("example.com", pdf, "application/pdf", "inline"),
                    ("acta.pdf", pdf + pdf, "application/pdf", "inline"),
                    ("excel.csv", csv, "text/csv", "attachment"),
                    ("cert.xml", Data("<?xml version='1.0'?><a/>".utf8), "application/xml", "attachment"),
                    ("a.html", Data("<script>alert(1)</script>".utf8), "application/octet-stream", "attachment"),
                    ("a.svg", Data("<svg onload='alert(1)'/>".utf8), "application/octet-stream", "attachment"),
                    ("a.js", Data("alert(1)".utf8), "application/octet-stream", "attachment"),
                ]
                for (name, bytes, type, disposition) in cases {
                    let answer = try await stack.client.put(
                        try stack.file(name, bytes),
                        to: "/v1/documents/\(name)",
                        curl: ["-H", "Content-Type: text/html"]
                    )
                    #expect(answer.status == 201, "\(name): \(answer.json)")
                    #expect(answer.json["kind"] == "document")
                    let content = try await stack.client.send("GET", answer.json["url"].string ?? "")
                    #expect(content.body == bytes)
                    #expect(content.headers["content-type"] == type, "\(name)")
                    #expect(content.headers["content-disposition"]?.hasPrefix("\(disposition);") == true, "\(name)")
                    #expect(content.headers["x-content-type-options"] == "nosniff")
                    let policy = try #require(content.headers["content-security-policy"])
                    #expect(policy.hasPrefix("default-src 'none'"))
                    #expect(policy.hasSuffix("sandbox") == (disposition == "attachment"), "\(name)")
                }
            }
        }

        @Test("Photos and videos without an item are refused, by whichever road they come, and leave nothing")
        func noItem() async throws {
            try await TestStack.with { stack in
                let photo = try await Samples(in: stack.directory).photo("photo.jpg", bytes: 30_000)
                let form = try await stack.client.send("POST", "/v1/documents", curl: ["-F", "a=@\(photo.path)"])
                #expect(form.status == 422)
                #expect(form.json["rejected"].elements.map { $0["code"].string } == ["item_required"])
                // By its name, and by its bytes.
                for name in ["photo.jpg", "photo", "photo.pdf"] {
                    let answer = try await stack.client.put(photo, to: "/v1/documents/\(name)")
                    #expect(answer.status == 422, "\(name)")
                    #expect(answer.json["code"] == "item_required", "\(name)")
                }
                let early = try await stack.client.put(
                    try Samples(in: stack.directory).zeroes("a.mov", bytes: 1 << 30),
                    to: "/v1/documents/a.mov",
                    curl: ["-H", "Expect: 100-continue"]
                )
                #expect(early.json["code"] == "item_required")
                #expect(early.uploaded == 0)
                try await stack.expectNothingStored()

                let client = ResumableClient(stack)
                let length = "Upload-Length: 30000"
                for headers in [
                    [ResumableClient.tus, length, "Upload-Metadata: filename YS5qcGc="],
                    [ResumableClient.tus, length, "Upload-Metadata: filetype aW1hZ2UvanBlZw=="],
                    ["Upload-Complete: ?0", length, "Content-Disposition: attachment; filename=a.mp4"],
                    ["Upload-Complete: ?0", length, "Content-Type: image/png"],
                ] {
                    let answer = try await client.send("POST", "/v1/uploads", Data(), headers)
                    #expect(answer.status == 422, "\(headers)")
                    #expect(answer.json["code"] == "item_required", "\(headers)")
                }
                let bytes = try Data(contentsOf: photo)
                let path = try await client.begin(bytes.count, name: "a.pdf")
                let answer = try await client.append(bytes, at: 0, to: path)
                #expect(answer.status == 422)
                #expect(answer.json["code"] == "item_required")
                #expect(try await stack.client.send("HEAD", path, headers: [ResumableClient.tus]).status == 404)
                try await stack.expectNothingStored()
            }
        }

        @Test("A part of an upload may be of anything; what the parts become needs an item if it is a photo")
        func parts() async throws {
            try await TestStack.with { stack in
                let client = ResumableClient(stack)
                let bytes = try Data(contentsOf: try await stack.quickPhoto("photo.jpg", bytes: 20_000))
                let path = try await client.begin(bytes.count, name: "photo.jpg", headers: ["Upload-Concat: partial"])
                #expect(try await client.append(bytes, at: 0, to: path).status == 204)
                let final = [ResumableClient.tus, "Upload-Concat: final;\(path)"]
                let refused = try await client.send("POST", "/v1/uploads", Data(), final)
                #expect(refused.json["code"] == "item_required")
                let item = try await stack.client.makeItem()
                let metadata = "Upload-Metadata: item_id \(Data(item.description.utf8).base64EncodedString())"
                #expect(try await client.send("POST", "/v1/uploads", Data(), final + [metadata]).status == 201)
            }
        }
    }
}
