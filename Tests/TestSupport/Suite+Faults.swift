public import Foundation

/// The private broker the tests run against, if whoever started them says how to stop it.
public enum BrokerControl {
    /// Whether it can be stopped.
    public static var isGiven: Bool { control.isGiven }

    /// Stops the broker.
    public static func stop() async throws { try await control.call("stop") }

    /// Kills the broker.
    public static func kill() async throws { try await control.call("kill") }

    /// Starts it again; returns when it takes connections.
    public static func start() async throws { try await control.call("start") }

    /// Lets it run short of memory while the body runs: it takes no messages.
    public static func alarmed(_ body: () async throws -> Void) async throws {
        try await control.call("alarm")
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body())
        } catch {
            outcome = .failure(error)
        }
        try await control.call("calm")
        try outcome.get()
    }

    private static let control = ServerControl(variable: "TEST_BROKER_CONTROL")
}

/// The private Postgres the tests run against, if whoever started them says how to stop it.
public enum PostgresControl {
    /// Whether it can be stopped.
    public static var isGiven: Bool { control.isGiven }

    /// Kills Postgres.
    public static func kill() async throws { try await control.call("kill") }

    /// Starts it again; returns when it takes connections.
    public static func start() async throws { try await control.call("start") }

    private static let control = ServerControl(variable: "TEST_POSTGRES_CONTROL")
}

private struct ServerControl {
    let variable: String

    var isGiven: Bool { command != nil }

    private var command: String? { ProcessInfo.processInfo.environment[variable] }

    func call(_ verb: String) async throws {
        guard let command else { return }
        // The server would otherwise hold the pipe open for as long as it lives.
        try await run("sh", "-c", "\(command) \(verb) >/dev/null 2>&1")
    }
}

/// Lets a process's system calls fail.
public enum Tracer {
    /// Whether this process may trace others.
    public static let isPossible = FileManager.default.isExecutableFile(atPath: "/usr/bin/strace") && geteuid() == 0

    /// Lets the first such call of a process fail with EIO while the body runs.
    public static func failing(_ call: String, of processID: Int32, _ body: () async throws -> Void) async throws {
        let log = FileManager.default.temporaryDirectory.appending(path: "trace-\(UUID())")
        defer { try? FileManager.default.removeItem(at: log) }
        let command =
            "strace -f -p \(processID) -e trace=\(call) -e inject=\(call):error=EIO:when=1 -o /dev/null"
            + " 2>'\(log.path)' & echo $!"
        let tracer = try await run("sh", "-c", "(\(command)) 9>&-").trimmingCharacters(in: .whitespacesAndNewlines)
        let deadline = ContinuousClock.now + .seconds(10)
        while (try? String(contentsOf: log, encoding: .utf8))?.contains("attached") != true {
            guard ContinuousClock.now < deadline else {
                throw CommandFailure(command: "strace", status: nil, message: "does not attach")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body())
        } catch {
            outcome = .failure(error)
        }
        try await run("sh", "-c", "kill -INT \(tracer); while kill -0 \(tracer) 2>/dev/null; do sleep 0.05; done")
        try outcome.get()
    }
}

/// Lets a program's clock be wrong.
public enum Clock {
    private static let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"

    /// Whether the library that does it is there.
    public static let isPossible = FileManager.default.fileExists(atPath: library)

    /// The variables of a program whose clock is off by that much, e.g. `+1h`.
    public static func environment(_ offset: String) -> [String: String] {
        ["LD_PRELOAD": library, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"]
    }
}

extension Suite {
    /// Where the volumes are.
    public var volumes: [URL] {
        (environment["VOLUMES"] ?? "").split(separator: ",").compactMap { volume in
            volume.split(separator: "=", maxSplits: 1).last.map { URL(filePath: String($0)) }
        }
    }

    /// The command lines of running programs that name a file of this suite: what a worker has left to others.
    public var tools: [[String]] {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.filter { Int32($0) != nil }.compactMap { process in
            guard let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else { return nil }
            let words = String(decoding: line, as: UTF8.self).split(separator: "\0").map(String.init)
            return words.contains { $0.contains(directory.path) } ? words : nil
        }
    }

    /// Runs `tolvactl` and gives what it prints.
    @discardableResult
    public func control(_ arguments: String..., environment extra: [String: String] = [:]) async throws -> String {
        try await run(Program.control.path.path, arguments, environment: environment.merging(extra) { $1 })
    }

    /// Sends the head of a request and the beginning of its body, then cuts the connection.
    public func sendRaw(_ method: String, _ path: String, type: String, length: Int, body: Data) async throws {
        let head =
            "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(client.token ?? "")\r\n"
            + "Content-Type: \(type)\r\nContent-Length: \(length)\r\n\r\n"
        let file = directory.appending(path: "request-\(UUID())")
        try (Data(head.utf8) + body).write(to: file)
        let port = environment["HTTP_PORT"] ?? ""
        // The shell's redirection closes the connection as soon as everything is written.
        try await run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/\(port); cat '\(file.path)' >&3")
    }
}

/// A multipart/form-data body, written out.
public enum Multipart {
    /// The header that goes with it.
    public static let type = "multipart/form-data; boundary=a-boundary"

    /// The body with these files.
    public static func body(_ files: [URL]) throws -> Data {
        var body = Data()
        for file in files {
            body += Data(
                """
                --a-boundary\r
                Content-Disposition: form-data; name="file"; filename="\(file.lastPathComponent)"\r
                Content-Type: application/octet-stream\r
                \r\n
                """.utf8
            )
            body += try Data(contentsOf: file)
            body += Data("\r\n".utf8)
        }
        return body + Data("--a-boundary--\r\n".utf8)
    }
}
