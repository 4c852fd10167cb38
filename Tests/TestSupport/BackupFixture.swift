import Database
public import Foundation
import Models
import Testing

/// The scripts of `deploy/backup`, as an operator runs them.
public enum BackupScripts {
    /// Runs one; gives what it prints.
    @discardableResult
    public static func run(
        _ name: String,
        _ arguments: String...,
        environment: [String: String]
    ) async throws -> String {
        let script = Checkout.root.appending(path: "deploy/backup/\(name)")
        return try await TestSupport.run(script.path, arguments, environment: environment)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

/// People who send photos without a pause, and what was acknowledged to them.
public actor Senders {
    /// An upload that was answered with 201.
    public struct Acknowledged: Sendable {
        public let asset: String
        public let sha256: String
    }

    private let stack: TestStack
    private let item: ItemID
    public private(set) var acknowledged: [Acknowledged] = []
    private var areToGoOn = true

    private init(_ stack: TestStack, item: ItemID) {
        self.stack = stack
        self.item = item
    }

    /// Lets some people send while the body runs.
    public static func with(
        _ stack: TestStack,
        people: Int,
        _ body: (Senders) async throws -> Void
    ) async throws {
        let senders = Senders(stack, item: try await stack.client.makeItem())
        // What all photos are made of is made once.
        _ = try await stack.quickPhoto("first.jpg", bytes: 2000)
        try await withThrowingTaskGroup { group in
            for person in 1...people { group.addTask { try await senders.send(as: person) } }
            try await withCleanup {
                try await body(senders)
            } cleanUp: {
                await senders.end()
            }
            try await group.waitForAll()
        }
    }

    /// Waits until so many more were acknowledged.
    public func waitForMore(_ count: Int) async throws {
        let target = acknowledged.count + count
        try await eventually("uploads go on") { acknowledged.count >= target }
    }

    private func end() { areToGoOn = false }

    private func send(as person: Int) async throws {
        var number = 0
        while areToGoOn {
            number += 1
            let photo = try await stack.quickPhoto("\(person)-\(number).jpg", bytes: 30_000 + number)
            let answer = try await stack.client.upload([photo], to: item)
            let asset = try #require(answer.json["assets"].elements.first, "\(answer.status) \(answer.json)")
            acknowledged.append(
                Acknowledged(asset: asset["id"].string ?? "", sha256: try await sha256(of: photo))
            )
            try FileManager.default.removeItem(at: photo)
        }
    }
}

/// A stack that was brought back: another database, another volume, a broker that knows nothing.
public struct RestoredStack: Sendable {
    private let old: TestStack
    /// The variables of its programs.
    public let environment: [String: String]
    /// Its volume.
    public let media: URL

    /// Gives the body what a restored stack needs: an empty database and an empty volume.
    public static func with(_ old: TestStack, _ body: (RestoredStack) async throws -> Void) async throws {
        try await withDatabase { settings in
            let media = old.directory.appending(path: "restored-\(UUID())")
            try FileManager.default.createDirectory(at: media, withIntermediateDirectories: true)
            let own = [
                "DATABASE_URL": settings.url, "VOLUMES": "main=\(media.path)", "HTTP_PORT": "\(try freePort())",
            ]
            try await body(RestoredStack(old: old, environment: old.environment.merging(own) { $1 }, media: media))
        }
    }

    /// Starts the API and the workers, and stops them when the body is through.
    public func run(_ body: (Client) async throws -> Void) async throws {
        let api = try await old.start(.api, environment: environment)
        let workers = [
            try await old.start(.mediaWorker, environment: environment),
            try await old.start(.zipWorker, environment: environment),
        ]
        try await body(try await api.health.signedIn(email: TestStack.email, password: TestStack.password))
        for program in workers + [api] { try await old.stop(program) }
    }

    /// Runs `tolvactl` on it.
    @discardableResult
    public func control(_ arguments: String...) async throws -> String {
        try await TestSupport.run(Program.control.path.path, arguments, environment: environment)
    }
}
