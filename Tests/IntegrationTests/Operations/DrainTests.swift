import Database
import Foundation
import Glibc
import Models
import TestSupport
import Testing

extension Integration {
    /// What a process does that is told to stop: it takes nothing new, ends or hands back what it has, and ends well
    /// within its grace period, whatever is away at that moment.
    @Suite struct Drain {
        @Test("The API takes no new connection, and answers the request that is under way")
        func requestUnderWay() async throws {
            try await TestStack.with { stack in
                let upload = try await HalfUpload(to: stack)
                stack.api.send(SIGTERM)
                try await eventually("nobody new is let in") {
                    (try? await stack.client.send("GET", "/health/live")) == nil
                }
                try upload.sendRest()
                #expect(try upload.answer.hasPrefix("HTTP/1.1 201"))
                #expect(try await stack.api.waitForEnd() == 0)
                #expect(try await stack.digests.count == 1)
            }
        }

        @Test("An upload that does not end in time is cut, nothing of it stays, and the API ends well")
        func uploadWithoutEnd() async throws {
            try await TestStack.with(environment: ["GRACE_PERIOD": "3s"]) { stack in
                let upload = try await HalfUpload(to: stack)
                stack.api.send(SIGTERM)
                #expect(try await stack.api.waitForEnd() == 0)
                #expect(try upload.answer.isEmpty)
                try await stack.expectNothingStored()
            }
        }

        @Test("A download that does not end in time is cut, and the API ends well")
        func downloadWithoutEnd() async throws {
            try await TestStack.with(environment: ["GRACE_PERIOD": "3s"]) { stack in
                let bytes = 40_000_000
                let asset = try await stack.uploadOne(try stack.file("large.pdf", document(bytes)))
                let connection = try ResumableClient(stack).open(["GET /v1/assets/\(asset)/content HTTP/1.1"])
                let beginning = try connection.receive()
                #expect(beginning.hasPrefix("HTTP/1.1 200"))
                #expect(beginning.header("content-length") == "\(bytes)")
                let began = ContinuousClock.now
                stack.api.send(SIGTERM)
                #expect(try await stack.api.waitForEnd() == 0)
                #expect(ContinuousClock.now - began > .seconds(2), "it had three seconds to end")
                // What was on its way comes, and then the end.
                #expect(try beginning.utf8.count + connection.receiveToEnd() < bytes)
            }
        }

        @Test("Downloads that slow clients are taking are sent to their end")
        func slowDownloads() async throws {
            try await TestStack.with { stack in
                let bytes = try document(8_000_000)
                let asset = try await stack.uploadOne(try stack.file("large.pdf", bytes))
                let copies = (1...12).map { stack.directory.appending(path: "copy\($0).pdf") }
                try await withThrowingTaskGroup { group in
                    for (number, copy) in copies.enumerated() {
                        let rate = "\(2000 + 300 * number)k"
                        group.addTask { [client = stack.client] in
                            try await run(
                                "curl",
                                [
                                    "-sS", "--limit-rate", rate, "-H", "Authorization: Bearer \(client.token ?? "")",
                                    "-o", copy.path, "\(client.base)/v1/assets/\(asset)/content",
                                ]
                            )
                        }
                    }
                    try await eventually("all have begun") {
                        copies.allSatisfy { (try? Data(contentsOf: $0, options: .alwaysMapped).isEmpty) == false }
                    }
                    stack.api.send(SIGTERM)
                    try await group.waitForAll()
                }
                for copy in copies { #expect(try Data(contentsOf: copy) == bytes) }
                #expect(try await stack.api.waitForEnd() == 0)
            }
        }

        @Test("Whoever was let in is answered, however close to the end of the API")
        func crowdAtTheDoor() async throws {
            try await TestStack.with { stack in
                for _ in 1...5 {
                    let api = try await stack.startAnotherAPI()
                    let port = try api.health.port
                    async let visits = run("python3", "-c", visitors, "\(port)")
                    try await Task.sleep(for: .seconds(1))
                    api.send(SIGTERM)
                    #expect(try await api.waitForEnd() == 0)
                    let counts = try await visits.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
                    #expect(counts.count == 2 && counts[0] > 50, "\(counts)")
                    #expect(counts.last == 0, "let in and not answered")
                }
            }
        }

        @Test("A worker that is told to stop is never ready again, and ends or hands back the image it has")
        func worker() async throws {
            try await TestStack.with { stack in
                let photo = try await Samples(in: stack.directory).photo("large.jpg", bytes: 30_000_000)
                let first = try await stack.uploadOne(photo)
                let second = try await stack.uploadOne(try await stack.quickPhoto("b.jpg", bytes: 40_000))
                let worker = try await stack.start(.mediaWorker, environment: ["IMAGE_SLOTS": "1"], ready: false)
                try await stack.client.taken(first)
                worker.send(SIGTERM)
                // It may have ended before it could answer: an image under way is given up at once.
                if let answer = try? await worker.health.send("GET", "/health/ready") {
                    #expect(answer.status == 503)
                    #expect(answer.json["status"] == "draining")
                }
                #expect(try await worker.waitForEnd() == 0)
                #expect(try await stack.client.send("GET", "/v1/assets/\(second)").json["status"] == "queued")
                #expect(try await stack.chargedAttempts() == 0)
                #expect(try await stack.job(of: first).state != .running)
            }
        }

        @Test("With the broker away every process ends well", .controlsBroker)
        func brokerAway() async throws {
            try await TestStack.with { stack in
                let workers = [try await stack.start(.mediaWorker), try await stack.start(.zipWorker)]
                try await TestServer.broker.stopped {
                    _ = try await stack.uploadOne(try await stack.quickPhoto("a.jpg", bytes: 40_000))
                    try await stack.end(workers + [stack.api])
                }
            }
        }

        @Test("With Postgres away every process ends well", .controlsPostgres)
        func postgresAway() async throws {
            try await TestStack.with(environment: ["GRACE_PERIOD": "8s"]) { stack in
                let workers = [try await stack.start(.mediaWorker), try await stack.start(.zipWorker)]
                let video = try await Samples(in: stack.directory).video(seconds: 20)
                let asset = try await stack.uploadOne(video)
                try await stack.client.taken(asset)
                try await TestServer.postgres.killed {
                    try await stack.end(workers + [stack.api])
                }
                // The lease of the video could not be given back: it ends by itself.
                try await stack.endLeases()
                let api = try await stack.start(.api)
                let worker = try await stack.start(.mediaWorker)
                #expect(try await stack.client.settled(asset, within: .seconds(150))["status"] == "ready")
                for program in [worker, api] { try await stack.stop(program) }
            }
        }
    }
}

/// Connects, asks and disconnects, 16 at a time, until nobody is let in; prints how many were answered, and how many of
/// those let in were not.
private let visitors = """
    import socket, sys, threading
    answered, broken = [], []
    def visit():
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
            except OSError:
                return
            try:
                connection.sendall(b"GET /health/live HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
                (answered if connection.recv(4096) else broken).append(1)
            except OSError:
                broken.append(1)
            connection.close()
    threads = [threading.Thread(target=visit) for _ in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(len(answered), len(broken))
    """

/// An upload of one document, of which half was sent and is in the spool.
private struct HalfUpload {
    private let connection: RawConnection
    private let rest: Data

    init(to stack: TestStack) async throws {
        let body = try Multipart.body([try stack.file("large.pdf", try document(8_000_000))])
        let item = try await stack.client.makeItem()
        let head = [
            "POST /v1/items/\(item)/assets HTTP/1.1", "Content-Type: \(Multipart.type)",
            "Content-Length: \(body.count)",
        ]
        connection = try ResumableClient(stack).open(head, body.prefix(body.count / 2))
        rest = body.dropFirst(body.count / 2)
        try await eventually("it is in the spool") { !stack.api.spooled.isEmpty }
    }

    func sendRest() throws { try connection.send(rest) }

    /// The beginning of the answer; nothing if the connection ends without one.
    var answer: String {
        get throws { try connection.receive() }
    }
}

extension TestStack {
    /// Tells processes to stop, all at once; each ends well.
    fileprivate func end(_ programs: [RunningProgram]) async throws {
        for program in programs { program.send(SIGTERM) }
        for program in programs {
            let status = try await program.waitForEnd()
            #expect(status == 0, "\(program.log.lastPathComponent)")
        }
    }

    /// How many attempts count against jobs that are not done.
    fileprivate func chargedAttempts() async throws -> Int? {
        try await database.first(
            Query<Value<Int>>("SELECT coalesce(sum(attempt), 0)::int AS value FROM jobs WHERE state <> 'done'")()
        )?.value
    }
}
