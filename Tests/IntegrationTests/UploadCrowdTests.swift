import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Clients that hold connections and send next to nothing.
    @Suite struct UploadCrowds {
        @Test(
            "Five fast uploads succeed beside a crowd that drips, and the process is as it was when the crowd has gone"
        )
        func dripping() async throws {
            // A connection to the database stays open once it is made: one, so that it is there from the beginning.
            let variables = ["DATABASE_POOL_SIZE": "1", "DATABASE_POOL_BURST": "0", "LOG_LEVEL": "info"]
            try await TestSupport.Suite.with(environment: variables) { suite in
                let item = try await suite.client.makeItem()
                let quiet = try await suite.fastUploads(5, to: item)
                try await suite.eventually("no file of an upload is open") { suite.api.spooled.isEmpty }
                let before = (files: suite.api.descriptors.count, memory: try suite.api.memory)

                let crowd = try Crowd(of: Counts.of(250, full: 500), at: suite.client, item: item)
                let drip = Task { await crowd.drip() }
                try await suite.eventually("the crowd is heard") { try await suite.uploads.count == crowd.count / 3 }
                let crowded = try await suite.fastUploads(Counts.of(5, full: 25), to: item)
                drip.cancel()
                await drip.value
                crowd.leave()

                try await suite.eventually("descriptors are back") {
                    suite.api.spooled.isEmpty && suite.api.descriptors.count <= before.files
                }
                let after = try suite.api.memory
                print(
                    """
                    p95 of a fast upload: \(quiet.p95) alone, \(crowded.p95) beside \(crowd.count) that drip; \
                    memory of the API: \(before.memory >> 20) MiB before, \(try suite.api.peakMemory >> 20) MiB at most, \
                    \(after >> 20) MiB after
                    """
                )
                // The allocator keeps some of what it was given, for the next crowd.
                #expect(after < before.memory + (Int64(crowd.count) * 128 << 10) + 32 << 20)
                #expect(try await suite.digests.count == Counts.of(10, full: 30))
            }
        }
    }
}

/// Many uploads of a byte a second each: forms, files, and uploads in several requests.
private final class Crowd: Sendable {
    let count: Int
    private let connections: [RawConnection]

    init(of count: Int, at client: Client, item: ItemID) throws {
        self.count = count
        connections = try (0..<count).map { number in
            let (request, headers) =
                switch number % 3 {
                case 0: ("POST /v1/items/\(item)/assets", ["Content-Type: \(Multipart.type)"])
                case 1: ("PUT /v1/items/\(item)/assets/a.pdf", [])
                default: ("POST /v1/uploads?filename=a.pdf", ["Upload-Complete: ?1"])
                }
            let head =
                ["\(request) HTTP/1.1", "Host: phone.example", "Authorization: Bearer \(client.token ?? "")"]
                + headers + ["Content-Length: 1000000", "", ""]
            let connection = try RawConnection(to: client)
            try connection.send(Data(head.joined(separator: "\r\n").utf8) + Data("-".utf8))
            return connection
        }
    }

    /// Sends a byte a second on every connection, until it is cancelled. Those that were cut are left alone.
    func drip() async {
        while !Task.isCancelled {
            for connection in connections { try? connection.send(Data("-".utf8)) }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    func leave() {
        for connection in connections { connection.end() }
    }
}

extension TestSupport.Suite {
    /// Uploads different large files side by side, five at a time, and gives how long each took.
    fileprivate func fastUploads(_ count: Int, to item: ItemID) async throws -> [Duration] {
        var durations: [Duration] = []
        while durations.count < count {
            durations += try await withThrowingTaskGroup(of: Duration.self) { group in
                for _ in 0..<5 {
                    let file = directory.appending(path: "fast-\(UUID()).pdf")
                    let bytes = "printf '%%PDF-1.4'; head -c \(Int.random(in: 20_000_000...30_000_000)) /dev/urandom"
                    try await run("sh", "-c", "(\(bytes)) > '\(file.path)'")
                    group.addTask {
                        let started = ContinuousClock.now
                        let answer = try await client.upload([file], to: item)
                        #expect(answer.status == 201, "\(answer.json)")
                        return ContinuousClock.now - started
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
        return durations
    }
}

extension [Duration] {
    fileprivate var p95: Duration { sorted()[Swift.max(0, Int((Double(count) * 0.95).rounded(.up)) - 1)] }
}
