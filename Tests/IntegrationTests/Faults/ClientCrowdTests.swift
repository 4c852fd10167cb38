import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// The fault matrix, continued: crowds of clients that hold connections, go out of reach or break off. What they must
    /// not do is keep others waiting, so these run alone.
    @Suite(.countsWrongAnswers) struct FaultMatrixClients {
        @Test("A crowd that sends a byte a second: others are served, and the process is as it was when it has gone")
        func dripping() async throws {
            let count = Counts.of(250, full: 500)
            let cell = FaultCell(
                fault: "\(count) clients at a byte a second",
                few: 1,
                full: 3,
                environment: ["LOG_LEVEL": "info"]
            )
            try await cell.run { suite, _ in
                let item = try await suite.client.makeItem()
                let before = try suite.api.memory
                let others = Others(suite, item)
                try await others.measure()
                let crowd = try suite.crowd(of: count, item: item)
                let drip = Task { await crowd.drip() }
                try await suite.hears(crowd)
                try await others.compare("beside \(count) that drip")
                drip.cancel()
                await drip.value
                crowd.leave()
                return try await suite.forgets(crowd, memory: before)
            }
        }

        @Test("A crowd that goes out of reach, and no end of it is heard: descriptors come back by themselves")
        func halfOpen() async throws {
            let count = Counts.of(40, full: 200)
            let variables = ["LOG_LEVEL": "info", "PACKET_TIMEOUT": "1s"]
            let cell = FaultCell(fault: "\(count) clients half-open", few: 1, full: 3, environment: variables)
            try await cell.run { suite, _ in
                let item = try await suite.client.makeItem()
                let before = try suite.api.memory
                let others = Others(suite, item)
                try await others.measure()
                let proxy = try Proxy(to: try suite.client.port)
                defer { proxy.stop() }
                let crowd = try suite.crowd(of: count, item: item, through: proxy)
                try await suite.hears(crowd)
                proxy.fallSilent()
                crowd.leave()
                try await others.compare("beside \(count) half-open")
                return try await suite.forgets(crowd, memory: before)
            }
        }

        @Test("A crowd that takes nothing more of its downloads: files and descriptors come back by themselves")
        func unread() async throws {
            let count = Counts.of(20, full: 200)
            let variables = ["LOG_LEVEL": "info", "PACKET_TIMEOUT": "1s"]
            let cell = FaultCell(
                fault: "\(count) clients half-open in a download",
                few: 1,
                full: 3,
                environment: variables
            )
            try await cell.run { suite, _ in
                let item = try await suite.client.makeItem()
                // More than the kernel takes for the client.
                let asset = try await suite.uploadOne(try suite.file("large.pdf", document(30_000_000)))
                let others = Others(suite, item)
                try await others.measure()
                let crowd = try (0..<count).map { _ in
                    let head = ["GET /v1/assets/\(asset)/content HTTP/1.1"]
                    let connection = try ResumableClient(suite).open(head, Data())
                    #expect(connection.receive().hasPrefix("HTTP/1.1 200"))
                    return connection
                }
                try await others.compare("beside \(count) that do not read")
                let began = ContinuousClock.now
                try await suite.eventually("the crowd has gone") { suite.api.clients.isEmpty }
                withExtendedLifetime(crowd) {}
                return .now - began
            }
        }

        @Test("A crowd that resets its connections one by one: others are served, and descriptors come back")
        func reset() async throws {
            let count = Counts.of(100, full: 200)
            let cell = FaultCell(
                fault: "\(count) clients reset",
                few: 1,
                full: 3,
                environment: ["LOG_LEVEL": "info"]
            )
            try await cell.run { suite, _ in
                let item = try await suite.client.makeItem()
                let before = try suite.api.memory
                let others = Others(suite, item)
                try await others.measure()
                let crowd = try suite.crowd(of: count, item: item)
                try await suite.hears(crowd)
                async let resetting: Void = crowd.reset()
                try await others.compare("beside \(count) that reset")
                try await resetting
                return try await suite.forgets(crowd, memory: before)
            }
        }
    }
}

/// Others who upload: what they wait, with and without a crowd.
private final class Others {
    private let suite: TestSupport.Suite
    private let item: ItemID
    private var round = 0
    private var alone = 0.0

    init(_ suite: TestSupport.Suite, _ item: ItemID) {
        self.suite = suite
        self.item = item
    }

    func measure() async throws {
        _ = try await p95()
        alone = try await p95()
    }

    /// Twice as long is too long. A few requests on a busy machine cannot tell.
    func compare(_ beside: String) async throws {
        let crowded = try await p95()
        print(String(format: "p95 of others: %.1f ms alone, %.1f ms ", alone * 1000, crowded * 1000) + beside)
        if Counts.areFull { #expect(crowded < 2 * alone) }
    }

    private func p95() async throws -> Double {
        round += 1
        let count = Counts.of(40, full: 400)
        let answers = try await suite.pour(photos: count, to: item, round: round, connections: 4)
        #expect(answers.count == count)
        #expect(answers.allSatisfy { $0.status == "201" }, "\(Set(answers.map(\.status)))")
        return answers.map(\.seconds).sorted()[count * 95 / 100]
    }
}

extension Client {
    fileprivate var port: UInt16 {
        get throws { try #require(base.split(separator: ":").last.flatMap { UInt16($0) }) }
    }
}

extension TestSupport.Suite {
    fileprivate func crowd(of count: Int, item: ItemID, through proxy: Proxy? = nil) throws -> Crowd {
        try Crowd(of: count, at: try proxy?.port ?? client.port, as: client, item: item)
    }

    /// Waits until all of a crowd are connected, and its uploads have begun.
    fileprivate func hears(_ crowd: Crowd) async throws {
        try await eventually("the crowd is heard") {
            try await uploads.count == crowd.resumable && api.clients.count >= crowd.count
        }
    }

    /// Waits until nothing of a crowd is left, and gives how long that took.
    fileprivate func forgets(_ crowd: Crowd, memory before: Int64) async throws -> Duration {
        let began = ContinuousClock.now
        try await eventually("the crowd has gone") { api.spooled.isEmpty && api.clients.isEmpty }
        let took = ContinuousClock.now - began
        // The allocator keeps some of what it was given, for the next crowd.
        let after = try api.memory
        #expect(after < before + (Int64(crowd.count) * 128 << 10) + 32 << 20, "\(before >> 20) → \(after >> 20) MiB")
        _ = try await database.run(Query<NoRow>("DELETE FROM uploads")())
        return took
    }
}
