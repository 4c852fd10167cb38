public import Database
public import Foundation
import Logging
import Models

/// The suite, as an operator runs it: the real programs against a real Postgres and a real RabbitMQ, with a database
/// and a media volume of the test's own.
public struct Suite: Sendable {
    /// Signed in as the admin.
    public let client: Client
    /// For looking at rows.
    public let database: Database
    /// The test's own directory; the volume is `media` in it.
    public let directory: URL
    /// The variables every program gets.
    public let environment: [String: String]
    /// The API.
    public let api: RunningProgram

    /// The admin's sign-in.
    public static let email = "admin@example.com"
    /// The admin's sign-in.
    public static let password = "correct horse battery"

    /// Starts the API and the named workers, and stops them when the body is through.
    ///
    /// A program that does not then end by itself with status 0 is an error, and so is a row or a file that is not as it
    /// must be at every moment, unless the body has damaged one.
    public static func with(
        _ workers: [Program] = [],
        environment extra: [String: String] = [:],
        isSoundAtEnd: Bool = true,
        _ body: (Suite) async throws -> Void
    ) async throws {
        try await withDatabase { settings in
            let directory = FileManager.default.temporaryDirectory.appending(path: "suite-\(UUID())")
            try FileManager.default.createDirectory(
                at: directory.appending(path: "media"),
                withIntermediateDirectories: true
            )
            defer { try? FileManager.default.removeItem(at: directory) }
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            _ = try await Migrations.apply(to: settings, logger: logger)
            let environment = try Self.environment(settings, directory).merging(extra) { $1 }
            let api = try await RunningProgram.start(
                .api,
                environment: environment,
                log: directory.appending(path: "api.log")
            )
            let base = "http://127.0.0.1:\(environment["HTTP_PORT"] ?? "")"
            try await ready(base, api)
            let database = Database(settings: settings, logger: logger)
            let suite = Suite(
                client: try await Client(base: base).signedIn(email: email, password: password),
                database: database,
                directory: directory,
                environment: environment,
                api: api
            )
            do {
                var running: [RunningProgram] = []
                for worker in workers { running.append(try await suite.start(worker)) }
                try await body(suite)
                for program in running + [api] { try await suite.stop(program) }
                if isSoundAtEnd { try await suite.control("check") }
            } catch {
                suite.printLogs()
                await database.close()
                throw error
            }
            await database.close()
        }
    }

    /// Starts a program and waits until it is ready, unless it is not to be.
    public func start(
        _ program: Program,
        environment extra: [String: String] = [:],
        ready isToBeReady: Bool = true
    ) async throws -> RunningProgram {
        let port = try freePort()
        let environment = environment.merging(["HEALTH_PORT": "\(port)"]) { $1 }.merging(extra) { $1 }
        let running = try await RunningProgram.start(
            program,
            environment: environment,
            log: directory.appending(path: "\(program.rawValue)-\(port).log")
        )
        let answering = program == .api ? environment["HTTP_PORT"] ?? "" : "\(port)"
        if isToBeReady { try await Self.ready("http://127.0.0.1:\(answering)", running) }
        return running
    }

    /// Tells a program to stop; it must end by itself, with status 0. One that has been killed is left alone.
    public func stop(_ program: RunningProgram) async throws {
        program.send(SIGTERM)
        let status = try await program.waitForEnd()
        guard status == 0 || status == -SIGKILL else {
            throw CommandFailure(command: "stop \(program.log.lastPathComponent)", status: status, message: "")
        }
    }

    /// Every file below the volume but its marker, as paths relative to it.
    public var files: [String] {
        let root = directory.appending(path: "media").path
        let found = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
        return found.filter { path in
            var isDirectory: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(root)/\(path)", isDirectory: &isDirectory)
                && !isDirectory.boolValue && path != ".tolva-volume"
        }.sorted()
    }

    /// Prints the end of every log, for who looks for a cause.
    public func printLogs() {
        let logs = (try? FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)) ?? []
        for log in logs where log.pathExtension == "log" {
            let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
            print("--- \(log.lastPathComponent)\n\(text.suffix(6000))")
        }
    }

    private static func environment(_ settings: DatabaseSettings, _ directory: URL) throws -> [String: String] {
        guard let broker = ProcessInfo.processInfo.environment["TEST_AMQP_URL"] else {
            throw CommandFailure(command: "tests", status: nil, message: "TEST_AMQP_URL is not set: use make test")
        }
        return [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin",
            "DATABASE_URL": settings.url,
            "AMQP_URL": broker,
            "VOLUMES": "main=\(directory.appending(path: "media").path)",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": "\(try freePort())",
            "HEALTH_HOST": "127.0.0.1",
            "ADMIN_EMAIL": email,
            "ADMIN_PASSWORD": password,
            "LOG_LEVEL": "debug",
        ]
    }

    private static func ready(_ base: String, _ program: RunningProgram) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            let answer = try? await Client(base: base).send("GET", "/health/ready")
            if answer?.json["status"].string == "ready" { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        let log = (try? String(contentsOf: program.log, encoding: .utf8)) ?? ""
        throw CommandFailure(command: "wait for \(base)", status: nil, message: String(log.suffix(3000)))
    }
}

/// A port nobody listens on, and none of those that the kernel gives to connections.
public func freePort() throws -> UInt16 {
    for _ in 0..<100 {
        let port = UInt16.random(in: 10_000..<20_000)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if status == 0 { return port }
    }
    throw CommandFailure(command: "find a free port", status: errno, message: "")
}
