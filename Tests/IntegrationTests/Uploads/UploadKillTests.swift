import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// The process that receives is killed at any moment, and started again.
    @Suite struct UploadKills {
        @Test("A file goes on after every kill from what was recorded, and arrives bit for bit")
        func resumed() async throws {
            try await TestStack.with(environment: ["MAX_DOCUMENT_BYTES": "2GiB"]) { stack in
                var random = SeededGenerator()
                let client = ResumableClient(stack)
                let bytes = random.document(bytes: Counts.of(64, full: 1024) << 20)
                let path = try await client.begin(bytes.count)
                let kills = Counts.of(3, full: 10)
                var (api, offset) = (stack.api, 0)
                for kill in 1...kills {
                    // Somewhere in the next of as many stretches as there are kills.
                    let end = max(offset, (bytes.count - 1) / kills * kill)
                    let count = Int.random(in: 0...(end - offset), using: &random)
                    let connection = try client.beginSending(bytes, from: offset, count: count, to: path)
                    try await api.killed()
                    withExtendedLifetime(connection) {}
                    api = try await stack.start(.api)
                    let standing = try await client.offset(of: path)
                    #expect((offset...(offset + count)).contains(standing), random.comment)
                    offset = standing
                }
                print("kills in an upload of \(bytes.count >> 20) MiB: \(random.comment)")
                try await client.finish(bytes, path)
                #expect(try await client.asset(of: path)["sha256"].string == stack.sum(of: bytes), random.comment)
                #expect(stack.files.count == 1, "\(stack.files)")
                try await stack.stop(api)
            }
        }

        @Test("A client that repeats its form until it is answered has stored each file once")
        func repeated() async throws {
            try await TestStack.with { stack in
                var random = SeededGenerator()
                let item = try await stack.client.makeItem()
                var api = stack.api
                var names = 0
                for _ in 0..<Counts.of(5, full: 20) {
                    var files: [URL] = []
                    for _ in 0..<3 {
                        names += 1
                        files.append(try stack.file("\(names).pdf", random.document(upTo: 8_000_000)))
                    }
                    let upload = Task { [files] in try await stack.upload(files, untilStoredOn: item) }
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...300, using: &random)))
                    try await api.killed()
                    api = try await stack.start(.api)
                    #expect(try await upload.value == 3, random.comment)
                }
                print("kills in forms: \(random.comment)")
                let digests = try await stack.digests
                #expect(digests.count == names, random.comment)
                #expect(Set(digests).count == names, random.comment)
                #expect(api.spooled.isEmpty)
                let originals = stack.files
                print("files \(originals.count), of them without a row: \(originals.count - names)")
                // A link whose process was killed before the commit is found by the same bytes that come again.
                #expect(originals.map { $0.suffix(64) }.sorted() == digests.map { $0[...] }, random.comment)
                try await stack.stop(api)
            }
        }
    }
}

extension TestStack {
    /// Sends a form again and again, and gives how many files it was told are stored.
    fileprivate func upload(_ files: [URL], untilStoredOn item: ItemID) async throws -> Int {
        var stored = 0
        try await eventually("the form is answered") {
            guard let answer = try? await client.upload(files, to: item), answer.status == 201 else { return false }
            stored = answer.json["assets"].elements.count
            return true
        }
        return stored
    }
}
