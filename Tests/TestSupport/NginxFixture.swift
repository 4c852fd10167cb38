import Database
public import Foundation
public import Testing

/// The nginx that is shipped, in front of one API process.
public struct Nginx: Sendable {
    /// A client of the stack's that goes through it.
    public let client: Client
    /// Where it has the volumes, each below its name.
    public let mounts: URL
    /// What it has written: a line of JSON a request.
    public let log: URL

    /// Starts it with its own settings but for addresses and paths, and stops it when the body is through.
    ///
    /// - Parameters:
    ///   - stack: Whose client goes through it.
    ///   - port: The API's.
    ///   - volumes: Directories of volumes by name, as they are mounted into its container.
    ///   - body: Works with it.
    /// - Throws: What `body` throws; `CommandFailure` if it does not start.
    public static func with(
        _ stack: TestStack,
        to port: UInt16,
        volumes: [String: URL] = [:],
        _ body: (Nginx) async throws -> Void
    ) async throws {
        let directory = stack.directory.appending(path: "nginx-\(UUID())")
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
        try await withCleanup {
            let client = Client(base: "http://127.0.0.1:\(ownPort)", token: stack.client.token)
            try await body(Nginx(client: client, mounts: mounts, log: log))
        } cleanUp: {
            try await run("sh", "-c", "(\(start) -s stop) >>'\(log.path)' 2>&1")
            try await eventually("nginx ends") {
                !FileManager.default.fileExists(atPath: directory.appending(path: "nginx.pid").path)
            }
        }
    }

    private static func adapted(port: UInt16, api: UInt16, directory: String) throws -> String {
        var text = try String(contentsOf: Checkout.root.appending(path: "deploy/nginx/nginx.conf"), encoding: .utf8)
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

/// A stack on two volumes behind nginx, which reads them too.
public struct NginxFixture: Sendable {
    public let stack: TestStack
    public let nginx: Nginx
    /// Asks an API process that hands nothing over.
    public let plain: Client
    /// The first volume, to which uploads go.
    public let first: URL
    public let second: URL

    /// Goes through nginx.
    public var client: Client { nginx.client }

    public static func with(_ workers: Program..., body: (NginxFixture) async throws -> Void) async throws {
        let volumes = FileManager.default.temporaryDirectory.appending(path: "volumes-\(UUID())")
        defer { try? FileManager.default.removeItem(at: volumes) }
        let first = volumes.appending(path: "main")
        let second = volumes.appending(path: "second")
        for volume in [first, second] {
            try FileManager.default.createDirectory(at: volume, withIntermediateDirectories: true)
        }
        let environment = ["VOLUMES": "main=\(first.path),second=\(second.path)", "ACCEL_REDIRECT": "true"]
        try await TestStack.with(workers: workers, environment: environment) { stack in
            let api = try await stack.startAnotherAPI(environment: ["ACCEL_REDIRECT": "false"])
            let mounted = ["main": first, "second": second]
            try await Nginx.with(stack, to: try stack.client.port, volumes: mounted) { nginx in
                let plain = stack.client(of: api)
                try await body(NginxFixture(stack: stack, nginx: nginx, plain: plain, first: first, second: second))
            }
            try await stack.stop(api)
        }
    }

    /// Moves all originals to the second volume, as the operator would.
    public func moveOriginals() async throws {
        try await run("cp", "-a", first.appending(path: "originals").path, second.path)
        try FileManager.default.removeItem(at: first.appending(path: "originals"))
        _ = try await stack.database.run(Query<NoRow>("UPDATE assets SET volume = 'second'")())
    }

    /// Asks both for the same, and expects the same.
    public func expectSame(
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
