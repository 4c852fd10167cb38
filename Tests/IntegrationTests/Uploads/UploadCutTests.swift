import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Connections that end at any byte of a request, in order or with a reset: two more cells of the fault matrix.
    @Suite(.countsWrongAnswers) struct UploadCuts {
        @Test("A form or a file that is cut at any byte leaves nothing")
        func nothingLeft() async throws {
            var random = SeededGenerator()
            print("cuts of forms and files: \(random.comment)")
            let cell = FaultScenario("Forms and files cut at a random byte", few: 40, full: 250, roundsPerCheck: 50)
            try await cell.run { stack, _ in
                let item = try await stack.client.makeItem()
                let request = try CutRequests(client: stack.client, item: item).any(&random)
                try await stack.send(request.prefix(Int.random(in: 1..<request.count, using: &random)), &random)
                let began = ContinuousClock.now
                try await stack.expectNothingLeft()
                return .now - began
            }
        }

        @Test(
            "An upload that goes on after each cut becomes its file, bit for bit",
            arguments: ResumableProtocol.allCases
        )
        func resumed(_ dialect: ResumableProtocol) async throws {
            var random = SeededGenerator()
            print("cuts of uploads in \(dialect): \(random.comment)")
            let fault = "Resumable uploads (\(dialect)) cut at random bytes"
            try await FaultScenario(fault, few: 10, full: 125, roundsPerCheck: 25).run { stack, round in
                let client = ResumableClient(stack)
                let bytes = random.document(upTo: 1_500_000)
                let path =
                    switch dialect {
                    case .tus: try await client.begin(bytes.count)
                    case .ietf: try client.beginCut(bytes, &random)
                    }
                var offset = 0
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let standing = try await client.offset(of: path, dialect)
                    #expect((offset..<bytes.count).contains(standing), random.comment)
                    offset = standing
                    let count = Int.random(in: 0..<(bytes.count - offset), using: &random)
                    let connection = try client.beginSending(bytes, from: offset, count: count, to: path, dialect)
                    if Bool.random(using: &random) { connection.reset() }
                }
                let began = ContinuousClock.now
                try await client.finish(bytes, path, dialect)
                let asset = try await client.asset(of: path)
                #expect(try await asset["sha256"].string == stack.sum(of: bytes), random.comment)
                // What is left is the originals.
                #expect(stack.files.allSatisfy { $0.hasPrefix("originals/") }, "\(stack.files) \(random.comment)")
                #expect(stack.files.count == round, random.comment)
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
        let count = Int.random(in: 1...3, using: &random)
        let files = (0..<count).map { ("\($0).pdf", random.document(upTo: 1_500_000)) }
        return ("POST", Multipart.type, Multipart.body(files))
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

extension TestStack {
    /// Sends so much and no more, at once or when it is being read.
    fileprivate func send(_ beginning: Data, _ random: inout SeededGenerator) async throws {
        let connection = try RawConnection(to: client)
        try connection.send(beginning)
        if Bool.random(using: &random) { try await eventually("it is read") { !api.clients.isEmpty } }
        if Bool.random(using: &random) { connection.reset() }
    }
}

extension ResumableClient {
    /// Begins an upload of the draft with a body that is cut, and gives the path it was told meanwhile.
    fileprivate func beginCut(_ bytes: Data, _ random: inout SeededGenerator) throws -> String {
        let (connection, path) = try openDraft("/v1/uploads?filename=a.pdf", bytes: bytes.count)
        try connection.send(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random)))
        if Bool.random(using: &random) { connection.reset() }
        return path
    }
}
