public import Foundation

/// The private broker the tests run against, if whoever started them says how to stop it.
public enum BrokerControl {
    /// Whether it can be stopped.
    public static var isGiven: Bool { command != nil }

    /// Stops the broker.
    public static func stop() async throws { try await call("stop") }

    /// Starts it again; returns when it takes connections.
    public static func start() async throws { try await call("start") }

    private static var command: String? { ProcessInfo.processInfo.environment["TEST_BROKER_CONTROL"] }

    private static func call(_ verb: String) async throws {
        guard let command else { return }
        // The server would otherwise hold the pipe open for as long as it lives.
        try await run("sh", "-c", "\(command) \(verb) >/dev/null 2>&1")
    }
}

extension Suite {
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
