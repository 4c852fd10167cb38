public import Database
public import Foundation
import Logging
public import Models
import Testing

/// Tolva as an operator runs it: the real programs against a real Postgres and a real RabbitMQ, with a database and a
/// media volume of the test's own.
public struct TestStack: Sendable {
    /// Signed in as the admin.
    public let client: Client
    /// For looking at rows.
    public let database: Database
    /// The test's own directory; the volume is `media` in it.
    public let directory: URL
    /// The variables every program gets.
    public let environment: [String: String]
    public let api: RunningProgram

    public static let email = "admin@example.com"
    public static let password = "correct horse battery"

    /// Starts the API and the named workers, and stops them when the body is through.
    ///
    /// A program that does not then end by itself with status 0 is an error, and so is a row or a file that is not as it
    /// must be at every moment, unless the body has damaged one.
    public static func with(
        _ workers: Program...,
        environment: [String: String] = [:],
        isSoundAtEnd: Bool = true,
        _ body: (TestStack) async throws -> Void
    ) async throws {
        try await with(workers: workers, environment: environment, isSoundAtEnd: isSoundAtEnd, body)
    }

    static func with(
        workers: [Program],
        environment extra: [String: String] = [:],
        isSoundAtEnd: Bool = true,
        _ body: (TestStack) async throws -> Void
    ) async throws {
        try await withDatabase(isMigrated: true) { settings in
            let directory = FileManager.default.temporaryDirectory.appending(path: "stack-\(UUID())")
            let media = directory.appending(path: "media")
            try FileManager.default.createDirectory(at: media, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: directory) }
            let environment = try Self.environment(settings, media).merging(extra) { $1 }
            let log = directory.appending(path: "api.log")
            let api = try await RunningProgram.start(.api, environment: environment, log: log)
            try await ready(api)
            let database = Database(settings: settings, logger: .quiet)
            let stack = TestStack(
                client: try await Client(base: api.base).signedIn(email: email, password: password),
                database: database,
                directory: directory,
                environment: environment,
                api: api
            )
            try await withCleanup {
                do {
                    var running: [RunningProgram] = []
                    for worker in workers { running.append(try await stack.start(worker)) }
                    try await body(stack)
                    for program in running + [api] { try await stack.stop(program) }
                    if isSoundAtEnd { try await stack.control("check") }
                } catch {
                    stack.printLogs()
                    throw error
                }
            } cleanUp: {
                await database.close()
            }
        }
    }

    /// Starts a program, an API on the address of the first one, and waits until it is ready, unless it is not to be.
    public func start(
        _ program: Program,
        environment extra: [String: String] = [:],
        ready isToBeReady: Bool = true
    ) async throws -> RunningProgram {
        let port = try freePort()
        let environment = environment.merging(["HEALTH_PORT": "\(port)"]) { $1 }.merging(extra) { $1 }
        let log = directory.appending(path: "\(program.rawValue)-\(port).log")
        let running = try await RunningProgram.start(program, environment: environment, log: log)
        if isToBeReady { try await Self.ready(running) }
        return running
    }

    /// Starts one more API, on an address of its own.
    public func startAnotherAPI(
        environment extra: [String: String] = [:],
        ready isToBeReady: Bool = true
    ) async throws -> RunningProgram {
        let environment = extra.merging(["HTTP_PORT": "\(try freePort())"]) { $1 }
        return try await start(.api, environment: environment, ready: isToBeReady)
    }

    /// The admin as a client of one of several APIs.
    public func client(of api: RunningProgram) -> Client { Client(base: api.base, token: client.token) }

    /// Tells a program to stop; it must end by itself, with status 0. One that has been killed is left alone.
    public func stop(_ program: RunningProgram) async throws {
        program.send(SIGTERM)
        let status = try await program.waitForEnd()
        guard status == 0 || status == -SIGKILL else {
            throw CommandFailure(command: "stop \(program.log.lastPathComponent)", status: status, message: "")
        }
    }

    /// Runs `tolvactl` and gives what it prints.
    @discardableResult
    public func control(_ arguments: String..., environment extra: [String: String] = [:]) async throws -> String {
        try await run(Program.control.path.path, arguments, environment: environment.merging(extra) { $1 })
    }

    /// Runs `tolvactl … --json` and gives what it prints.
    public func controlJSON(_ arguments: [String]) async throws -> JSONValue {
        let text = try await run(Program.control.path.path, arguments + ["--json"], environment: environment)
        return try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    }

    /// A client of another company's user.
    public func stranger() async throws -> Client {
        try await control("company", "create", "Other")
        let (email, password) = ("stranger@example.com", "a long enough one")
        let variables = ["TOLVA_PASSWORD": password]
        try await control("user", "create", email, "--company", "Other", "--role", "admin", environment: variables)
        return try await Client(base: client.base).signedIn(email: email, password: password)
    }

    /// The command lines of running programs that name a file of this stack: what a worker has left to others.
    public var tools: [[String]] {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.filter { Int32($0) != nil }.compactMap { process in
            guard let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else { return nil }
            let words = String(decoding: line, as: UTF8.self).split(separator: "\0").map(String.init)
            return words.contains { $0.contains(directory.path) } ? words : nil
        }
    }

    /// Waits until no program works on this stack's files any more.
    public func toolsEnd() async throws {
        try await eventually("nothing is left behind: \(tools)", within: .seconds(5)) { tools.isEmpty }
    }

    /// Prints the end of every log, for who looks for a cause.
    public func printLogs() {
        let logs = (try? FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)) ?? []
        for log in logs where log.pathExtension == "log" {
            let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
            print("--- \(log.lastPathComponent)\n\(text.suffix(6000))")
        }
    }

    private static func environment(_ settings: DatabaseSettings, _ media: URL) throws -> [String: String] {
        [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin",
            "DATABASE_URL": settings.url,
            "AMQP_URL": try TestServer.broker.url,
            "VOLUMES": "main=\(media.path)",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": "\(try freePort())",
            "DIRECT_CLIENTS": "true",
            "HEALTH_HOST": "127.0.0.1",
            "ADMIN_EMAIL": email,
            "ADMIN_PASSWORD": password,
            "LOG_LEVEL": "debug",
        ]
    }

    private static func ready(_ program: RunningProgram) async throws {
        let client = program.health
        let log = { Comment(rawValue: String(((try? program.output) ?? "").suffix(3000))) }
        try await eventually("\(program.base) is ready; \(log())") {
            (try? await client.send("GET", "/health/ready").json["status"]) == "ready"
        }
    }
}

/// The files on the volumes.
extension TestStack {
    /// Where the volumes are.
    public var volumes: [URL] {
        (environment["VOLUMES"] ?? "").split(separator: ",").compactMap { volume in
            volume.split(separator: "=", maxSplits: 1).last.map { URL(filePath: String($0)) }
        }
    }

    /// The volume `main`, unless the test has named others.
    public var media: URL { directory.appending(path: "media") }

    /// Every file on `media` but its marker, as paths below it.
    public var files: [String] { volumeFiles(below: media) }

    public var archives: [String] { files.filter { $0.hasPrefix("exports/") } }

    public var renditions: [String] { files.filter { $0.hasPrefix("renditions/") } }

    /// What lies in the spool: nothing, when no work is under way.
    public var spooled: [String] { files.filter { $0.hasPrefix("spool/") } }

    /// Makes every file on the volumes three days old, so that the collector looks at it.
    public func ageFiles() throws {
        let old = [FileAttributeKey.modificationDate: Date(timeIntervalSinceNow: -3 * 86_400)]
        for volume in volumes {
            for file in volumeFiles(below: volume) {
                try FileManager.default.setAttributes(old, ofItemAtPath: volume.appending(path: file).path)
            }
        }
    }
}
