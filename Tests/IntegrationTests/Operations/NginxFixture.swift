import Database
import Foundation
import TestSupport
import Testing

/// The nginx that is shipped, in front of one API process.
struct Nginx {
    /// A client of the suite's that goes through it.
    let client: Client
    /// Where it listens.
    let port: String
    /// Where it has the volumes, each below its name.
    let mounts: URL
    /// What it has written: a line of JSON a request.
    let log: URL

    /// Starts it with its own settings but for addresses and paths, and stops it when the body is through.
    ///
    /// - Parameters:
    ///   - suite: Whose client goes through it.
    ///   - port: The API's.
    ///   - volumes: Directories of volumes by name, as they are mounted into its container.
    ///   - body: Works with it.
    /// - Throws: What `body` throws; `CommandFailure` if it does not start.
    static func with(
        _ suite: TestSupport.Suite,
        to port: String,
        volumes: [String: URL] = [:],
        _ body: (Nginx) async throws -> Void
    ) async throws {
        let directory = suite.directory.appending(path: "nginx-\(UUID())")
        let mounts = directory.appending(path: "media")
        try FileManager.default.createDirectory(at: mounts, withIntermediateDirectories: true)
        for (name, volume) in volumes {
            try FileManager.default.createSymbolicLink(at: mounts.appending(path: name), withDestinationURL: volume)
        }
        let log = directory.appending(path: "nginx.log")
        let ownPort = try freePort()
        let configuration = try adapted(port: ownPort, api: port, directory: directory.path)
        try configuration.write(to: directory.appending(path: "nginx.conf"), atomically: true, encoding: .utf8)

        // Whoever runs the tests has written the files, and no other user may read them.
        let command = "PATH=$PATH:/usr/sbin nginx -p . -c nginx.conf -g 'user \(NSUserName());'"
        let start = "cd '\(directory.path)' && \(command)"
        try await run("sh", "-c", "(\(start)) >'\(log.path)' 2>&1")
        let outcome: Result<Void, any Error>
        do {
            let client = Client(base: "http://127.0.0.1:\(ownPort)", token: suite.client.token)
            outcome = .success(try await body(Nginx(client: client, port: "\(ownPort)", mounts: mounts, log: log)))
        } catch {
            outcome = .failure(error)
        }
        try await run("sh", "-c", "(\(start) -s stop) >>'\(log.path)' 2>&1")
        try await suite.eventually("nginx has ended") {
            !FileManager.default.fileExists(atPath: directory.appending(path: "nginx.pid").path)
        }
        try outcome.get()
    }

    private static func adapted(port: UInt16, api: String, directory: String) throws -> String {
        let shipped = URL(filePath: #filePath).appending(path: "../../../../deploy/nginx/nginx.conf").standardized
        var text = try String(contentsOf: shipped, encoding: .utf8)
        let changes = [
            (" /tmp/", " \(directory)/"), ("alias /media/;", "alias \(directory)/media/;"),
            ("listen 8080 backlog=1024;", "listen 127.0.0.1:\(port);"),
            ("default api:8080;", "default 127.0.0.1:\(api);"),
        ]
        for (there, here) in changes {
            try #require(text.contains(there), "nginx.conf has no “\(there)” to adapt")
            text = text.replacing(there, with: here)
        }
        return text
    }
}

/// The suite on two volumes behind nginx, which reads them too.
struct Proxied {
    let suite: TestSupport.Suite
    let nginx: Nginx
    /// Asks an API process that hands nothing over.
    let plain: Client
    /// The second volume; what is uploaded goes to the first.
    let second: URL

    var client: Client { nginx.client }

    static func with(_ workers: [Program] = [], _ body: (Proxied) async throws -> Void) async throws {
        let volumes = FileManager.default.temporaryDirectory.appending(path: "volumes-\(UUID())")
        defer { try? FileManager.default.removeItem(at: volumes) }
        let main = volumes.appending(path: "main")
        let second = volumes.appending(path: "second")
        for volume in [main, second] {
            try FileManager.default.createDirectory(at: volume, withIntermediateDirectories: true)
        }
        let environment = ["VOLUMES": "main=\(main.path),second=\(second.path)", "ACCEL_REDIRECT": "true"]
        try await TestSupport.Suite.with(workers, environment: environment) { suite in
            let port = "\(try freePort())"
            let api = try await suite.start(.api, environment: ["HTTP_PORT": port, "ACCEL_REDIRECT": "false"])
            let plain = Client(base: "http://127.0.0.1:\(port)", token: suite.client.token)
            let mounted = ["main": main, "second": second]
            try await Nginx.with(suite, to: suite.environment["HTTP_PORT"] ?? "", volumes: mounted) { nginx in
                try await body(Proxied(suite: suite, nginx: nginx, plain: plain, second: second))
            }
            try await suite.stop(api)
        }
    }

    /// Moves all originals to the second volume, as the operator would.
    func moveOriginals() async throws {
        let first = second.deletingLastPathComponent().appending(path: "main")
        try await run("cp", "-a", first.appending(path: "originals").path, second.path)
        try FileManager.default.removeItem(at: first.appending(path: "originals"))
        _ = try await suite.database.run(Query<NoRow>("UPDATE assets SET volume = 'second'")())
    }

    /// Asks both for the same, and expects the same.
    func expectSame(
        _ path: String,
        _ headers: [String],
        method: String = "GET",
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let all = headers + ["X-Request-Id: the-same"]
        let through = try await client.send(method, path, headers: all)
        let direct = try await plain.send(method, path, headers: all)
        let what: Comment = "\(method) \(path) \(headers)"
        #expect(through.status == direct.status, what, sourceLocation: sourceLocation)
        if method != "HEAD" { #expect(through.body == direct.body, what, sourceLocation: sourceLocation) }
        #expect(Self.comparable(through) == Self.comparable(direct), what, sourceLocation: sourceLocation)
    }

    /// What a server says of the connection and of itself is its own.
    private static func comparable(_ answer: Client.Answer) -> [String: String] {
        answer.headers.filter { !["date", "server", "connection", "vary"].contains($0.key) }
    }
}
