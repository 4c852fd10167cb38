import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// The fault matrix, continued: connections that end at any byte of a request, in order or with a reset.
    @Suite(.countsWrongAnswers) struct UploadCuts {
        @Test("A form or a file that is cut at any byte leaves nothing")
        func nothingLeft() async throws {
            var random = SeededGenerator()
            print("cuts of forms and files: \(random.comment)")
            let cell = FaultCell(fault: "Forms and files cut at a random byte", few: 40, full: 250, roundsPerCheck: 50)
            try await cell.run { suite, _ in
                let item = try await suite.client.makeItem()
                let request = try CutRequests(client: suite.client, item: item).any(&random)
                try suite.send(request.prefix(Int.random(in: 1..<request.count, using: &random)), &random)
                let began = ContinuousClock.now
                try await suite.expectNothingLeft()
                return .now - began
            }
        }

        @Test("An upload that goes on after each cut becomes its file, bit for bit", arguments: ["tus", "ietf"])
        func resumed(_ dialect: String) async throws {
            var random = SeededGenerator()
            print("cuts of uploads in \(dialect): \(random.comment)")
            let fault = "Resumable uploads (\(dialect)) cut at random bytes"
            try await FaultCell(fault: fault, few: 10, full: 125, roundsPerCheck: 25).run { suite, round in
                let client = ResumableClient(suite)
                let bytes = random.document(upTo: 1_500_000)
                let path = try await dialect == "tus" ? client.begin(bytes.count) : client.beginDraft(bytes, &random)
                var offset = 0
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let standing = try await client.offset(of: path, dialect)
                    #expect((offset..<bytes.count).contains(standing), random.comment)
                    offset = standing
                    let count = Int.random(in: 0..<(bytes.count - offset), using: &random)
                    let head = client.head(dialect, path, from: offset, of: bytes)
                    let connection = try client.open(head, bytes[offset..<(offset + count)])
                    if Bool.random(using: &random) { connection.reset() }
                }
                let began = ContinuousClock.now
                try await client.finish(bytes, path, dialect)
                let asset = try await client.asset(of: path)
                #expect(try await asset["sha256"].string == suite.sum(of: bytes), random.comment)
                // What is left is the originals.
                #expect(suite.files.allSatisfy { $0.hasPrefix("originals/") }, "\(suite.files) \(random.comment)")
                #expect(suite.files.count == round, random.comment)
                return .now - began
            }
        }
    }
}

/// Whole requests to cut.
private struct CutRequests {
    let client: Client
    let item: ItemID

    func any(_ random: inout SeededGenerator) throws -> Data {
        let (method, type, body) = Bool.random(using: &random) ? form(&random) : file(&random)
        let path = method == "PUT" ? "/v1/items/\(item)/assets/a.pdf" : "/v1/items/\(item)/assets"
        let isChunked = Bool.random(using: &random)
        let head = [
            "\(method) \(path) HTTP/1.1", "Host: phone.example", "Authorization: Bearer \(client.token ?? "")",
            "Content-Type: \(type)",
            isChunked ? "Transfer-Encoding: chunked" : "Content-Length: \(body.count)", "", "",
        ]
        let framed = isChunked ? chunks(body, &random) : body
        return Data(head.joined(separator: "\r\n").utf8) + framed
    }

    private func form(_ random: inout SeededGenerator) -> (String, String, Data) {
        var body = Data()
        for number in 0..<Int.random(in: 1...3, using: &random) {
            body += Data("--a-boundary\r\nContent-Disposition: form-data; name=\"f\"; ".utf8)
            body += Data("filename=\"\(number).pdf\"\r\n\r\n".utf8) + random.document(upTo: 1_500_000)
            body += Data("\r\n".utf8)
        }
        return ("POST", Multipart.type, body + Data("--a-boundary--\r\n".utf8))
    }

    private func file(_ random: inout SeededGenerator) -> (String, String, Data) {
        ("PUT", "application/pdf", random.document(upTo: 3_000_000))
    }

    private func chunks(_ body: Data, _ random: inout SeededGenerator) -> Data {
        var rest = body
        var chunks = Data()
        while !rest.isEmpty {
            let chunk = rest.prefix(Int.random(in: 1...400_000, using: &random))
            chunks += Data("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk + Data("\r\n".utf8)
            rest = rest.dropFirst(chunk.count)
        }
        return chunks + Data("0\r\n\r\n".utf8)
    }
}

extension TestSupport.Suite {
    /// Sends so much and no more.
    fileprivate func send(_ beginning: Data, _ random: inout SeededGenerator) throws {
        let connection = try RawConnection(to: client)
        try connection.send(beginning)
        if Bool.random(using: &random) { connection.reset() }
    }
}

extension ResumableClient {
    /// What goes on with an upload in the words of either protocol, from its request line to its length.
    fileprivate func head(_ dialect: String, _ path: String, from offset: Int, of bytes: Data) -> [String] {
        let words =
            dialect == "tus"
            ? [Self.tus, "Content-Type: application/offset+octet-stream"]
            : ["Upload-Complete: ?1", "Content-Type: application/partial-upload"]
        return ["PATCH \(path) HTTP/1.1"] + words
            + ["Upload-Offset: \(offset)", "Content-Length: \(bytes.count - offset)"]
    }

    /// Begins an upload with a body that is cut, and gives the path it was told meanwhile.
    fileprivate func beginDraft(_ bytes: Data, _ random: inout SeededGenerator) async throws -> String {
        let head = [
            "POST /v1/uploads?filename=a.pdf HTTP/1.1", "Upload-Complete: ?1", "Content-Length: \(bytes.count)",
        ]
        let connection = try open(head, Data())
        let interim = connection.receive()
        let location = interim.split(separator: "\r\n").first { $0.lowercased().hasPrefix("location: ") }
        let path = try #require(location.flatMap { URL(string: String($0.dropFirst("location: ".count)))?.path })
        try connection.send(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random)))
        if Bool.random(using: &random) { connection.reset() }
        return path
    }

    /// Goes on until everything is there: a request that was cut may be heard of after the question where the upload
    /// stands.
    fileprivate func finish(_ bytes: Data, _ path: String, _ dialect: String) async throws {
        try await suite.eventually("everything is there") {
            let offset = try await offset(of: path, dialect)
            let end = head(dialect, path, from: offset, of: bytes).dropFirst().dropLast()
            return [201, 204].contains(try await send("PATCH", path, bytes[offset...], Array(end)).status)
        }
    }

    fileprivate func offset(of path: String, _ dialect: String) async throws -> Int {
        let answer = try await client.send("HEAD", path, headers: dialect == "tus" ? [Self.tus] : [])
        return try #require(answer.headers["upload-offset"].flatMap { Int($0) }, "\(answer.status)")
    }
}
