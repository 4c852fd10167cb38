import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Forms as browsers, scripts and mail programs write them.
    @Suite struct UploadForms {
        @Test("A name that cannot be kept rejects one file, and the others of the request are kept")
        func badName() async throws {
            try await TestStack.with { stack in
                let form = part("good 1.txt", "one") + part("bad%0D%0Aname.txt", "two") + part("nul\0.txt", "three")
                let answer = try await stack.send(form: form + part("good 2.txt", "four"))
                #expect(answer.status == 201)
                #expect(answer.json["assets"].elements.map { $0["filename"].string } == ["good 1.txt", "good 2.txt"])
                let rejected = answer.json["rejected"].elements
                #expect(rejected.map { $0["code"].string } == ["bad_filename", "bad_filename"])
                #expect(rejected.map { $0["filename"].string } == ["badname.txt", "nul.txt"])
                let alone = try await stack.send(form: part("a%0A.txt", "five"))
                #expect(alone.status == 422)
                #expect(alone.json["rejected"].elements.map { $0["code"].string } == ["bad_filename"])
            }
        }

        @Test("Names in an older character set and in the encoded words of mail are kept as they are meant")
        func legacyNames() async throws {
            try await TestStack.with { stack in
                let latin =
                    Data("--BB\r\nContent-Disposition: form-data; name=\"archivo\"; filename=\"cami".utf8) + [0xF3]
                let form =
                    latin + Data("n.txt\"\r\n\r\none\r\n".utf8)
                    + part("=?UTF-8?B?SW5mb3JtZSB0w6ljbmljby50eHQ=?=", "two")
                    + part("=?ISO-8859-1?Q?a=F1o_1.txt?=", "three")
                let answer = try await stack.send(form: form)
                #expect(answer.status == 201)
                let names = answer.json["assets"].elements.map { $0["filename"].string }
                #expect(names == ["camión.txt", "Informe técnico.txt", "año 1.txt"])
            }
        }

        @Test("An input in which nothing was chosen is passed over, and does not count as a file")
        func emptyInput() async throws {
            try await TestStack.with(environment: ["MAX_FILES_PER_REQUEST": "1"]) { stack in
                let answer = try await stack.send(form: part("", "") + part("a.txt", "one") + part("", ""))
                #expect(answer.status == 201)
                #expect(answer.json["assets"].elements.count == 1)
                #expect(answer.json["rejected"].elements.isEmpty)
                let nothing = try await stack.send(form: part("", ""))
                #expect(nothing.status == 422)
                #expect(nothing.json["code"] == "no_files")
                let unnamed = try await stack.send(form: part("", "bytes"))
                #expect(unnamed.json["assets"].elements.map { $0["filename"].string } == ["unnamed.txt"])
                let empty = try await stack.send(form: part("empty.txt", ""))
                #expect(empty.json["rejected"].elements.map { $0["code"].string } == ["empty_file"])
            }
        }

        @Test("A form whose lines end with LF is taken, and its files are what was sent")
        func lineFeeds() async throws {
            try await TestStack.with { stack in
                let bytes = Data("a\r\nb\nc\r".utf8)
                let head = "--BB\nContent-Disposition: form-data;\n name=\"f\"; filename=\"a.txt\"\n\n"
                let answer = try await stack.send(form: Data(head.utf8) + bytes + Data("\n".utf8))
                #expect(answer.status == 201)
                let asset = try #require(answer.json["assets"].elements.first?["id"].string)
                #expect(try await stack.client.send("GET", "/v1/assets/\(asset)/content").body == bytes)
            }
        }
    }
}

private func part(_ name: String, _ content: String) -> Data {
    let disposition = "Content-Disposition: form-data; name=\"f\"; filename=\"\(name)\""
    let lines = ["--BB", disposition, "Content-Type: application/octet-stream", "", content, ""]
    return Data(lines.joined(separator: "\r\n").utf8)
}

extension TestStack {
    /// Sends the parts of a form to a new item.
    fileprivate func send(form parts: Data) async throws -> Client.Answer {
        let file = try file("form-\(UUID())", parts + Data("--BB--".utf8))
        return try await client.send(
            "POST",
            "/v1/items/\(try await client.makeItem())/assets",
            headers: ["Content-Type: multipart/form-data; boundary=BB"],
            curl: ["--data-binary", "@\(file.path)"]
        )
    }
}
