public import Database
public import Foundation
public import Models
public import Testing

/// Files to upload, and what became of them.
extension TestStack {
    /// A JPEG of any size beyond a kilobyte, at once: what follows the end of the picture is noise.
    public func quickPhoto(_ name: String, bytes: Int) async throws -> URL {
        let base = directory.appending(path: "base.jpg")
        if !FileManager.default.fileExists(atPath: base.path) {
            try await run("convert", "-size", "16x16", "xc:gray", "-strip", base.path)
        }
        let picture = try Data(contentsOf: base)
        return try file(name, picture + (try noise(bytes - picture.count)))
    }

    /// Writes bytes to a file of the test's.
    public func file(_ name: String, _ bytes: Data) throws -> URL {
        let file = directory.appending(path: name)
        try bytes.write(to: file)
        return file
    }

    /// Uploads one file to a new item and gives the asset's id.
    public func uploadOne(_ file: URL) async throws -> String {
        let answer = try await client.upload([file], to: try await client.makeItem())
        return try #require(answer.json["assets"].elements.first?["id"].string, "\(answer.status) \(answer.json)")
    }

    /// Every asset's digest, the same one as often as it is there.
    public var digests: [String] {
        get async throws {
            try await database.run(Query<Value<String>>("SELECT sha256 AS value FROM assets ORDER BY sha256")())
                .map(\.value)
        }
    }

    /// No file is on the volume, no asset and no job in the database.
    public func expectNothingStored(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        #expect(files.isEmpty, sourceLocation: sourceLocation)
        let rows = Query<Value<Int>>(
            "SELECT (SELECT count(*) FROM assets) + (SELECT count(*) FROM jobs) AS value"
        )
        #expect(try await database.first(rows())?.value == 0, sourceLocation: sourceLocation)
    }

    /// Waits until no upload is open, and expects that nothing of any is left.
    public func expectNothingLeft(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await eventually("no file of an upload is open", sourceLocation: sourceLocation) { api.spooled.isEmpty }
        try await expectNothingStored(sourceLocation: sourceLocation)
    }

    /// A sum of some bytes in hexadecimal digits, as the system's own program computes it.
    public func sum(_ algorithm: String = "sha256", of bytes: Data) async throws -> String {
        let file = try file("summed-\(UUID())", bytes)
        defer { try? FileManager.default.removeItem(at: file) }
        return String(try await run("\(algorithm)sum", file.path).prefix { $0 != " " })
    }

    /// The same in base64.
    public func base64Sum(_ algorithm: String = "sha256", of bytes: Data) async throws -> String {
        let digits = Array(try await sum(algorithm, of: bytes))
        let digest = stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(digits[$0...($0 + 1)]), radix: 16)
        }
        return Data(digest).base64EncodedString()
    }

    /// What `Content-Digest` and `Repr-Digest` say of some bytes.
    public func digest(of bytes: Data) async throws -> String { "sha-256=:\(try await base64Sum(of: bytes)):" }
}

/// Uploads that are cut.
extension TestStack {
    /// Sends requests of which only a part of the body comes before the connection ends, one for each part, and waits until
    /// nothing of any of them is left.
    ///
    /// - Parameters:
    ///   - head: From the request line on, without host and token.
    ///   - body: The whole one.
    ///   - parts: How much of it is sent, from 0 to 1.
    ///   - sourceLocation: Where a failure is recorded.
    /// - Throws: What keeps a request from being sent.
    public func sendCut(
        _ head: [String],
        _ body: Data,
        at parts: [Double],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        for part in parts {
            let connection = try ResumableClient(self).open(head)
            // Otherwise it might end before anybody has listened to it.
            try await eventually("the request is heard", sourceLocation: sourceLocation) { !api.clients.isEmpty }
            try connection.send(body.prefix(Int(Double(body.count) * part)))
            if part >= 0.5 {
                try await eventually("it is in the spool", sourceLocation: sourceLocation) { !api.spooled.isEmpty }
            }
            connection.end()
            try await expectNothingLeft(sourceLocation: sourceLocation)
        }
    }
}

/// Uploads that come in several requests.
extension TestStack {
    /// A row of `uploads`: bytes, and whether a request holds it.
    public struct UploadRow: RowDecodable {
        public let received: Int
        public let holder: UUID?

        public init(from row: borrowing Row) throws(DatabaseError) {
            received = try row["received"]
            holder = try row["holder"]
        }
    }

    public var uploads: [UploadRow] {
        get async throws { try await database.run(Query<UploadRow>("SELECT received, holder FROM uploads")()) }
    }

    /// Waits until that much of the only upload is recorded.
    public func recorded(_ isEnough: (Int) -> Bool) async throws {
        try await eventually("enough is recorded") { try await uploads.first.map { isEnough($0.received) } ?? false }
    }

    /// Waits until a request holds the only upload.
    public func held() async throws {
        try await eventually("a request holds the upload") { try await uploads.first?.holder != nil }
    }
}

/// Many uploads.
extension TestStack {
    /// What became of a request, and how long it took, in seconds.
    public typealias Answered = (status: String, seconds: Double)

    /// Sends photos again until each of them was taken.
    public func uploadUntilKept(photos: Int, to item: ItemID, round: Int, through client: Client? = nil) async throws {
        try await eventually("each photo is taken", within: .seconds(120)) {
            let answers = try await upload(photos: photos, to: item, round: round, through: client)
            return answers.count == photos && answers.allSatisfy { $0.status == "200" || $0.status == "201" }
        }
    }

    /// Sends so many small photos over a few connections, one request after the other, and gives how each request ended.
    /// The same round sends the same photos. Several photos in a request are a form.
    public func upload(
        photos: Int,
        to item: ItemID,
        round: Int,
        perRequest: Int = 1,
        connections: Int = 8,
        through client: Client? = nil
    ) async throws -> [Answered] {
        let picture = directory.appending(path: "many.jpg")
        if !FileManager.default.fileExists(atPath: picture.path) {
            _ = try await quickPhoto("many.jpg", bytes: 2000)
        }
        let base = try Data(contentsOf: picture)
        let client = client ?? self.client
        var requests = "parallel\nparallel-max = \(connections)\n"
        for first in stride(from: 0, to: photos, by: perRequest) {
            let names = (first..<first + perRequest).map { "many-\($0).jpg" }
            for name in names {
                try (base + Data("\(round) \(name)".utf8)).write(to: directory.appending(path: name))
            }
            requests += """
                next
                \(body(names, "\(client.base)/v1/items/\(item)/assets"))
                header = "Authorization: Bearer \(client.token ?? "")"
                silent
                max-time = 120
                output = "/dev/null"
                write-out = "%{http_code} %{time_total}\\n"

                """
        }
        let file = directory.appending(path: "requests-\(UUID())")
        try Data(requests.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        // curl's own status is that of its last failure; the answers are what counts.
        let answers = try await run("sh", "-c", "curl --config '\(file.path)' || true").split(separator: "\n")
        return answers.map { answer in
            let words = answer.split(separator: " ")
            return (String(words.first ?? ""), words.last.flatMap { Double($0) } ?? 0)
        }
    }

    /// What curl is told of a request's address and body.
    private func body(_ names: [String], _ address: String) -> String {
        if names.count == 1 {
            return "url = \"\(address)/\(names[0])\"\nupload-file = \"\(directory.path)/\(names[0])\""
        }
        let files = names.map { "form = \"\($0)=@\(directory.path)/\($0)\"" }
        return (["url = \"\(address)\""] + files).joined(separator: "\n")
    }
}
