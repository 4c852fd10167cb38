import CRabbitMQ
import Database
import Foundation
import Logging
import Models
import TestSupport
import Testing

@testable import Messaging

/// The scripts of `deploy/backup`, as an operator runs them.
enum BackupScripts {
    /// Runs one; gives what it prints.
    @discardableResult
    static func run(_ name: String, _ arguments: String..., environment: [String: String]) async throws -> String {
        let script = URL(filePath: #filePath).appending(path: "../../../../deploy/backup/\(name)").standardized
        return try await TestSupport.run(script.path, arguments, environment: environment)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

/// People who send photos without a pause, and what was acknowledged to them.
actor Senders {
    /// An upload that was answered with 201.
    struct Acknowledged: Sendable {
        let asset: String
        let sha256: String
    }

    private let suite: TestSupport.Suite
    private let item: ItemID
    private(set) var acknowledged: [Acknowledged] = []
    private var isAtIt = true

    init(_ suite: TestSupport.Suite, item: ItemID) {
        self.suite = suite
        self.item = item
    }

    /// Lets some people send while the body runs.
    static func with(_ suite: TestSupport.Suite, people: Int, _ body: (Senders) async throws -> Void) async throws {
        let senders = Senders(suite, item: try await suite.client.makeItem())
        // What all photos are made of is made once.
        _ = try await suite.quickPhoto("first.jpg", bytes: 2000)
        try await withThrowingTaskGroup { group in
            for person in 1...people { group.addTask { try await senders.send(as: person) } }
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await body(senders))
            } catch {
                outcome = .failure(error)
            }
            await senders.goHome()
            try await group.waitForAll()
            try outcome.get()
        }
    }

    /// Waits until so many more were acknowledged.
    func waitForMore(_ count: Int) async throws {
        let target = acknowledged.count + count
        try await eventually("uploads go on") { acknowledged.count >= target }
    }

    private func goHome() { isAtIt = false }

    private func send(as person: Int) async throws {
        var number = 0
        while isAtIt {
            number += 1
            let photo = try await suite.quickPhoto("\(person)-\(number).jpg", bytes: 30_000 + number)
            let answer = try await suite.client.upload([photo], to: item)
            let asset = try #require(answer.json["assets"].elements.first, "\(answer.status) \(answer.json)")
            acknowledged.append(
                Acknowledged(asset: asset["id"].string ?? "", sha256: try await sha256(of: photo))
            )
            try FileManager.default.removeItem(at: photo)
        }
    }
}

/// A suite that was brought back: another database, other volumes, a broker that knows nothing.
struct RestoredSuite {
    /// The suite it was.
    let old: TestSupport.Suite
    /// The variables of its programs.
    let environment: [String: String]

    /// Gives the body what a restored suite needs: an empty database and an empty volume.
    static func with(_ old: TestSupport.Suite, _ body: (RestoredSuite) async throws -> Void) async throws {
        try await withDatabase { settings in
            let media = old.directory.appending(path: "restored-\(UUID())")
            try FileManager.default.createDirectory(at: media, withIntermediateDirectories: true)
            let own = [
                "DATABASE_URL": settings.url, "VOLUMES": "main=\(media.path)", "HTTP_PORT": "\(try freePort())",
            ]
            try await body(RestoredSuite(old: old, environment: old.environment.merging(own) { $1 }))
        }
    }

    /// Its volume.
    var media: URL { URL(filePath: String(environment["VOLUMES"]?.dropFirst("main=".count) ?? "")) }

    /// Starts the API and the workers, and stops them when the body is through.
    func run(_ body: (Client) async throws -> Void) async throws {
        let api = try await old.start(.api, environment: environment)
        let workers = [
            try await old.start(.mediaWorker, environment: environment),
            try await old.start(.zipWorker, environment: environment),
        ]
        let base = "http://127.0.0.1:\(environment["HTTP_PORT"] ?? "")"
        let (email, password) = (TestSupport.Suite.email, TestSupport.Suite.password)
        try await body(try await Client(base: base).signedIn(email: email, password: password))
        for program in workers + [api] { try await old.stop(program) }
    }

    /// Runs `tolvactl` on it.
    @discardableResult
    func control(_ arguments: String...) async throws -> String {
        try await TestSupport.run(Program.control.path.path, arguments, environment: environment)
    }
}

/// Makes the broker forget every queue with all that is in it.
func forgetQueues(at url: String) throws {
    let connection = try BrokerConnection(try MessagingSettings(url: url), name: "test")
    for queue in Topology.tolva.queues {
        let name = try connection.memory.text(queue.name)
        amqp_queue_delete(connection.state, BrokerConnection.channel, name, 0, 0)
    }
    connection.close()
}
