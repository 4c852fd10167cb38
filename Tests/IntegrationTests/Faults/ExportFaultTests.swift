import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration.FaultMatrix {
    /// Exports asked for by everyone at once, and ZIP workers that are killed or stopped: what was asked for ends ready,
    /// once.
    @Suite(.countsWrongAnswers) struct ExportFaults {
        @Test("Thousands of identical requests, 200 at a time over two API processes, are one export")
        func identical() async throws {
            let count = Counts.of(1000, full: 10_000)
            let fault = "\(count) identical export requests, 200 at a time"
            try await FaultScenario(fault, few: 1, full: 10, workers: [.zipWorker]).run { stack, _ in
                let second = try await stack.startAnotherAPI()
                // Another item makes it another request than the last round's.
                for _ in 1...10 { _ = try await stack.client.makeItem() }
                async let one = stack.askForExport(count / 2, of: stack.client.base)
                async let two = stack.askForExport(count / 2, of: second.base)
                let answers = try await one + two
                let began = ContinuousClock.now
                #expect(answers.count == count)
                #expect(answers.filter { $0.status == "202" }.count == 1)
                #expect(answers.filter { $0.status == "200" }.count == count - 1)
                let export = try #require(answers.first?.id)
                #expect(answers.allSatisfy { $0.id == export })
                #expect(try await stack.endedExport(export)["status"] == "ready")
                let took = ContinuousClock.now - began
                #expect(try await stack.client.send("DELETE", "/v1/exports/\(export)").status == 204)
                let live = Query<Value<Int>>("SELECT count(*) AS value FROM exports WHERE deleted_at IS NULL")
                #expect(try await stack.database.first(live())?.value == 0)
                try await stack.stop(second)
                return took
            }
        }

        @Test(
            "A ZIP worker killed at any moment in a large part: another ends it, once, and nothing is left of the first"
        )
        func killed() async throws {
            try await inLargePart("ZIP worker killed at a random moment in a part", few: 2) { stack, worker, export in
                try await worker.killed()
                try await stack.endLeases()
                let began = ContinuousClock.now
                let other = try await stack.start(.zipWorker)
                let ended = try await stack.endedExport(export)
                #expect(ended["status"] == "ready", "\(ended)")
                let took = ContinuousClock.now - began
                try await stack.stop(other)
                return took
            }
        }

        @Test("A ZIP worker told to stop in a part hands it back at once and uncharged, or has finished it")
        func toldToStop() async throws {
            try await inLargePart("ZIP worker told to stop in a part", few: 1) { stack, worker, export in
                let began = ContinuousClock.now
                try await stack.stop(worker)
                let took = ContinuousClock.now - began
                #expect(took < .seconds(5))
                let job = try await stack.job(ofPartOf: export)
                #expect(job.state == .done || (job.state == .queued && job.attempt == 0), "\(job)")
                #expect(stack.spooled.isEmpty, "\(stack.spooled)")
                let other = try await stack.start(.zipWorker)
                #expect(try await stack.endedExport(export)["status"] == "ready")
                try await stack.stop(other)
                return took
            }
        }

        @Test(
            "Everything is restarted with 20 requests queued: all of them end ready without a hand",
            .controlsBroker,
            .controlsPostgres
        )
        func restarted() async throws {
            try await TestStack.with { stack in
                var exports: [String] = []
                for number in 1...20 {
                    let item = try await stack.client.makeItem(code: "EQ-\(number)")
                    let photo = try await stack.quickPhoto("\(number).jpg", bytes: 100_000)
                    _ = try await stack.client.upload([photo], to: item)
                    exports.append(try await stack.requestExport(["item_ids": .array([.string(item.description)])]))
                }
                // It dies with the first of them in its hands.
                let worker = try await stack.start(
                    .zipWorker,
                    environment: ["FAULT_POINT": "part-written"],
                    ready: false
                )
                #expect(try await worker.waitForEnd() == -SIGKILL)
                let unfinished = Query<Value<Int>>(
                    "SELECT count(*) AS value FROM jobs WHERE kind = 'zip.part' AND state IN ('queued', 'running')"
                )
                #expect(try await stack.database.first(unfinished())?.value == 20)
                try await stack.api.killed()
                try await TestServer.broker.stopped {
                    try await TestServer.postgres.killed {}
                }
                // Only so that nobody waits a minute.
                try await stack.endLeases()
                let api = try await stack.start(.api)
                let second = try await stack.start(.zipWorker)
                for export in exports {
                    #expect(try await stack.endedExport(export, within: .seconds(120))["status"] == "ready")
                }
                #expect(stack.archives.count == 20)
                for program in [second, api] { try await stack.stop(program) }
            }
        }

        @Test("Without room the part waits and says so; with room it is built")
        func noRoom() async throws {
            try await TestStack.with { stack in
                let item = try await stack.client.makeItem()
                _ = try await stack.client.upload([try await stack.quickPhoto("a.jpg", bytes: 50_000)], to: item)
                let id = try await stack.requestExport()
                let cramped = try await stack.start(
                    .zipWorker,
                    environment: ["VOLUME_RESERVE_BYTES": "1000TiB"],
                    ready: false
                )
                let waiting = try await stack.export(id) {
                    $0["parts"].elements.first?["error"].string != nil
                }
                #expect(waiting["status"] == "queued")
                try await stack.stop(cramped)
                let worker = try await stack.start(.zipWorker)
                // The next attempt is a minute away.
                _ = try await stack.database.run(
                    Query<NoRow>("UPDATE jobs SET run_after = now(), announce_at = now() WHERE state = 'queued'")()
                )
                #expect(try await stack.endedExport(id)["status"] == "ready")
                try await stack.stop(worker)
            }
        }

        @Test("A cancelled export leaves nothing, also in the hands of a worker that is building it")
        func cancelled() async throws {
            try await TestStack.with { stack in
                let item = try await stack.client.makeItem()
                let photo = try await stack.quickPhoto("a.jpg", bytes: 1_000_000)
                #expect(try await stack.client.upload([photo], to: item).status == 201)
                func cancel(_ id: String) async throws {
                    #expect(try await stack.client.send("DELETE", "/v1/exports/\(id)").status == 204)
                    #expect(try await stack.client.send("GET", "/v1/exports/\(id)").status == 404)
                }
                try await cancel(try await stack.requestExport())
                for point in ["part-begun", "part-written", "part-placed"] {
                    let environment = ["FAULT_POINT": point, "FAULT_SIGNAL": "STOP"]
                    let worker = try await stack.start(.zipWorker, environment: environment)
                    let id = try await stack.requestExport()
                    try await worker.standsStill()
                    try await cancel(id)
                    worker.send(SIGCONT)
                    try await stack.stop(worker)
                    #expect(stack.archives.isEmpty, "\(point): \(stack.archives)")
                }
                #expect(stack.archives.isEmpty, "\(stack.archives)")
                #expect(stack.spooled.isEmpty, "\(stack.spooled)")
            }
        }

        /// Lets a worker begin with a part that takes a while, has the body do something to it at any moment, and requires
        /// the whole archive in the end. What is left of a worker beside it, the check after the round finds.
        private func inLargePart(
            _ fault: String,
            few: Int,
            _ meet: (TestStack, RunningProgram, String) async throws -> Duration
        ) async throws {
            // However many items there are, they are one part.
            let environment = ["EXPORT_ITEMS_PER_PART": "1000"]
            let scenario = FaultScenario(fault, few: few, full: 50, environment: environment)
            var duration = Duration.zero
            var last: String?
            try await scenario.run { stack, round in
                if round == 1 {
                    let item = try await stack.client.makeItem()
                    for number in 1...3 {
                        let photo = try await stack.quickPhoto("large-\(number).jpg", bytes: 45_000_000)
                        #expect(try await stack.client.upload([photo], to: item).status == 201)
                    }
                    (duration, last) = try await stack.buildUndisturbed()
                }
                if let last {
                    #expect(stack.archives.count == 1, "\(stack.archives)")
                    #expect(try await stack.client.send("DELETE", "/v1/exports/\(last)").status == 204)
                }
                // With one item more it is an export no one has asked for.
                _ = try await stack.client.makeItem()
                let worker = try await stack.start(.zipWorker)
                let export = try await stack.requestExport()
                last = export
                try await stack.exportBegins(export)
                try await Task.sleep(for: duration.anyMoment)
                let took = try await meet(stack, worker, export)
                let archive = try await stack.download(export, part: 1)
                try await run("unzip", "-tqq", archive.path)
                try FileManager.default.removeItem(at: archive)
                return took
            }
        }
    }
}

extension TestStack {
    /// Asks for all items so often, over a hundred connections, and gives the answers.
    fileprivate func askForExport(_ count: Int, of base: String) async throws -> [(status: String, id: String)] {
        let answers = directory.appending(path: "answers-\(UUID())")
        try FileManager.default.createDirectory(at: answers, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: answers) }
        // One program with many connections: they come closer together than as many programs would.
        let statuses = try await run(
            "curl",
            ["--silent", "--parallel", "--parallel-immediate", "--parallel-max", "100", "--max-time", "120"]
                + ["-H", "Authorization: Bearer \(client.token ?? "")", "-H", "Content-Type: application/json"]
                + ["--data", "{}", "--output", "\(answers.path)/#1", "--write-out", "%{http_code}\n"]
                + ["\(base)/v1/exports?number=[1-\(count)]"]
        )
        let files = try FileManager.default.contentsOfDirectory(at: answers, includingPropertiesForKeys: nil)
        let ids = try files.map { file in
            try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: file))["id"].string ?? ""
        }
        return zip(statuses.split(separator: "\n"), ids).map { (String($0), $1) }
    }

    /// Builds an export of everything, and gives how long its one part takes from claim to end when nothing happens to it.
    fileprivate func buildUndisturbed() async throws -> (took: Duration, export: String) {
        let worker = try await start(.zipWorker)
        let export = try await requestExport()
        try await exportBegins(export)
        let began = ContinuousClock.now
        #expect(try await endedExport(export)["status"] == "ready")
        let took = ContinuousClock.now - began
        try await stop(worker)
        return (took, export)
    }
}
