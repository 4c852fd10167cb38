import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Whatever is killed in between, what was asked for ends ready, once.
    @Suite struct ExportFaults {
        @Test("200 identical requests at once over two API processes are one export")
        func neverTwice() async throws {
            try await TestSupport.Suite.with { suite in
                for number in 1...40 { _ = try await suite.client.makeItem(code: "EQ-\(number)") }
                let port = "\(try freePort())"
                let second = try await suite.start(.api, environment: ["HTTP_PORT": port])
                // One program with 200 connections: they come closer together than 200 programs would.
                var requests = "parallel\nparallel-immediate\nparallel-max = 200\n"
                for number in 0..<200 {
                    let base = number % 2 == 0 ? suite.client.base : "http://127.0.0.1:\(port)"
                    requests += """
                        next
                        url = "\(base)/v1/exports"
                        request = POST
                        header = "Authorization: Bearer \(suite.client.token ?? "")"
                        header = "Content-Type: application/json"
                        data = "{}"
                        silent
                        output = "\(suite.directory.path)/export-\(number).json"
                        write-out = "%{http_code}\\n"

                        """
                }
                let file = suite.directory.appending(path: "requests")
                try Data(requests.utf8).write(to: file)
                let statuses = try await run("curl", "--config", file.path).split(separator: "\n")
                #expect(statuses.count == 200)
                #expect(statuses.filter { $0 == "202" }.count == 1)
                #expect(statuses.filter { $0 == "200" }.count == 199)
                let ids = try (0..<200).map { number in
                    let file = suite.directory.appending(path: "export-\(number).json")
                    return try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: file))["id"].string
                }
                #expect(Set(ids).count == 1)
                try await suite.stop(second)

                let worker = try await suite.start(.zipWorker)
                #expect(try await suite.endedExport(ids[0] ?? "")["status"] == "ready")
                #expect(suite.archives.count == 2)
                try await suite.stop(worker)
            }
        }

        @Test(
            "A worker killed ten times at random moments: the export ends ready, one file a part, nothing left behind"
        )
        func killed() async throws {
            try await TestSupport.Suite.with { suite in
                for number in 1...4 {
                    let item = try await suite.client.makeItem(code: "EQ-\(number)")
                    let photo = try await suite.quickPhoto("\(number).jpg", bytes: 40_000_000)
                    #expect(try await suite.client.upload([photo], to: item).status == 201)
                }
                let id = try await suite.requestExport()
                for _ in 1...10 {
                    let worker = try await suite.start(.zipWorker)
                    _ = try await suite.export(id, within: .seconds(30)) { $0["status"].string != "queued" }
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...150)))
                    worker.send(SIGKILL)
                    #expect(try await worker.waitForEnd() == -SIGKILL)
                    try await suite.endLeases()
                }
                let worker = try await suite.start(.zipWorker)
                let export = try await suite.endedExport(id)
                #expect(export["status"] == "ready", "\(export)")
                #expect(suite.archives.count == 1, "\(suite.archives)")
                #expect(suite.spooled.isEmpty, "\(suite.spooled)")
                let archive = try await suite.download(id, part: 1)
                try await run("unzip", "-tqq", archive.path)
                try await suite.stop(worker)
            }
        }

        @Test(
            "Everything is restarted with 20 requests queued: all of them end ready without a hand",
            .enabled(if: BrokerControl.isGiven)
        )
        func restarted() async throws {
            try await TestSupport.Suite.with { suite in
                var exports: [String] = []
                for number in 1...20 {
                    let item = try await suite.client.makeItem(code: "EQ-\(number)")
                    let photo = try await suite.quickPhoto("\(number).jpg", bytes: 100_000)
                    _ = try await suite.client.upload([photo], to: item)
                    exports.append(try await suite.requestExport(["item_ids": .array([.string(item.description)])]))
                }
                let worker = try await suite.start(.zipWorker)
                try await BrokerControl.stop()
                do {
                    worker.send(SIGKILL)
                    suite.api.send(SIGKILL)
                    _ = try await (worker.waitForEnd(), suite.api.waitForEnd())
                } catch {
                    try await BrokerControl.start()
                    throw error
                }
                try await BrokerControl.start()
                try await suite.endLeases()
                let api = try await suite.start(.api)
                let second = try await suite.start(.zipWorker)
                for export in exports {
                    #expect(try await suite.endedExport(export, within: .seconds(120))["status"] == "ready")
                }
                #expect(suite.archives.count == 20)
                for program in [second, api] { try await suite.stop(program) }
            }
        }

        @Test("A worker told to stop hands its part back or finishes it, and leaves nothing of it behind")
        func toldToStop() async throws {
            try await TestSupport.Suite.with { suite in
                let item = try await suite.client.makeItem()
                for number in 1...3 {
                    let photo = try await suite.quickPhoto("\(number).jpg", bytes: 45_000_000)
                    _ = try await suite.client.upload([photo], to: item)
                }
                let id = try await suite.requestExport()
                let worker = try await suite.start(.zipWorker)
                _ = try await suite.export(id, within: .seconds(30)) { $0["status"].string != "queued" }
                try await suite.stop(worker)
                let job = try await suite.database.first(
                    Query<JobStanding>("SELECT state, attempt FROM jobs WHERE kind = 'zip.part'")()
                )
                #expect(
                    (job?.state == .queued && job?.attempt == 0) || job?.state == .done,
                    "\(String(describing: job))"
                )
                #expect(suite.spooled.isEmpty)
                let second = try await suite.start(.zipWorker)
                #expect(try await suite.endedExport(id)["status"] == "ready")
                #expect(suite.archives.count == 1)
                try await suite.stop(second)
            }
        }

        @Test("Without room the part waits and says so; with room it is built")
        func noRoom() async throws {
            try await TestSupport.Suite.with { suite in
                let item = try await suite.client.makeItem()
                _ = try await suite.client.upload([try await suite.quickPhoto("a.jpg", bytes: 50_000)], to: item)
                let id = try await suite.requestExport()
                let cramped = try await suite.start(
                    .zipWorker,
                    environment: ["VOLUME_RESERVE_BYTES": "1000TiB"],
                    ready: false
                )
                let waiting = try await suite.export(id, within: .seconds(30)) {
                    $0["parts"].elements.first?["error"].string != nil
                }
                #expect(waiting["status"] == "queued")
                try await suite.stop(cramped)
                let worker = try await suite.start(.zipWorker)
                // The next attempt is a minute away.
                _ = try await suite.database.run(
                    Query<NoRow>("UPDATE jobs SET run_after = now(), announce_at = now() WHERE state = 'queued'")()
                )
                #expect(try await suite.endedExport(id)["status"] == "ready")
                try await suite.stop(worker)
            }
        }

        @Test("A cancelled export leaves nothing, also in the hands of a worker that is building it")
        func cancelled() async throws {
            try await TestSupport.Suite.with { suite in
                let item = try await suite.client.makeItem()
                _ = try await suite.client.upload([try await suite.quickPhoto("a.jpg", bytes: 40_000_000)], to: item)
                let id = try await suite.requestExport()
                let worker = try await suite.start(.zipWorker)
                _ = try await suite.export(id, within: .seconds(30)) { $0["status"].string != "queued" }
                #expect(try await suite.client.send("DELETE", "/v1/exports/\(id)").status == 204)
                #expect(try await suite.client.send("GET", "/v1/exports/\(id)").status == 404)
                try await suite.stop(worker)
                #expect(suite.archives.isEmpty, "\(suite.archives)")
                #expect(suite.spooled.isEmpty, "\(suite.spooled)")
            }
        }
    }
}

private struct JobStanding: RowDecodable {
    let state: Job.State
    let attempt: Int

    init(from row: borrowing Row) throws(DatabaseError) {
        let text: String = try row["state"]
        guard let state = Job.State(rawValue: text) else { throw .undecodable(text) }
        self.state = state
        attempt = try row["attempt"]
    }
}
