import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// The fault matrix: a few rounds of each cell on every change, all of them with `make faults`.
    @Suite(.countsWrongAnswers) struct FaultMatrix {
        @Test(
            "An API killed in an upload: sent again, each file is one asset",
            arguments: ["api-header", "api-body", "api-synced", "api-linked", "api-committed", "api-announced"]
        )
        func api(_ point: String) async throws {
            let cell = FaultCell(fault: "API killed at \(point)", few: 1, full: 50, workers: [.mediaWorker])
            try await cell.run { suite, round in
                let port = "\(try freePort())"
                let dying = try await suite.start(.api, environment: ["HTTP_PORT": port, "FAULT_POINT": point])
                let item = try await suite.client.makeItem()
                let photos = [
                    try await suite.quickPhoto("one.jpg", bytes: 300_000 + round),
                    try await suite.quickPhoto("two.jpg", bytes: 900_000 + round),
                ]
                let client = Client(base: "http://127.0.0.1:\(port)", token: suite.client.token)
                await #expect(throws: CommandFailure.self) { try await client.upload(photos, to: item) }
                #expect(try await dying.waitForEnd() == -SIGKILL)
                let began = ContinuousClock.now
                let answer = try await suite.client.upload(photos, to: item)
                #expect(answer.status == 201, "\(answer.json)")
                #expect(answer.json["assets"].elements.count == 2)
                // In the first rounds the half minute of what was committed and not announced goes by.
                if round > Counts.of(0, full: 2) { try await suite.announceNow() }
                try await suite.settleAll()
                let held = try await suite.client.send("GET", "/v1/assets?item_id=\(item)")
                #expect(held.json["assets"].elements.count == 2)
                return .now - began
            }
        }

        @Test(
            "A media worker killed at a job: another ends it, once",
            arguments: [
                "job-claimed", "rendition-made", "rendition-placed", "rendition-placed:2", "job-worked",
                "job-completed",
            ]
        )
        func mediaWorker(_ point: String) async throws {
            try await FaultCell(fault: "Media worker killed at \(point)", few: 1, full: 50).run { suite, round in
                let dying = try await suite.start(.mediaWorker, environment: ["FAULT_POINT": point])
                let asset = try await suite.uploadOne(try await suite.quickPhoto("one.jpg", bytes: 60_000 + round))
                #expect(try await dying.waitForEnd() == -SIGKILL)
                try await suite.endLeases()
                let began = ContinuousClock.now
                let worker = try await suite.start(.mediaWorker)
                #expect(try await suite.client.settled(asset)["status"] == "ready")
                let took = ContinuousClock.now - began
                try await suite.stop(worker)
                return took
            }
        }

        @Test(
            "A ZIP worker killed at a part: another ends it, once",
            arguments: ["job-claimed", "part-begun", "part-written", "part-placed", "job-worked", "job-completed"]
        )
        func zipWorker(_ point: String) async throws {
            try await FaultCell(fault: "ZIP worker killed at \(point)", few: 1, full: 50).run { suite, round in
                let item = try await suite.client.makeItem()
                let photo = try await suite.quickPhoto("one.jpg", bytes: 60_000 + round)
                #expect(try await suite.client.upload([photo], to: item).status == 201)
                let dying = try await suite.start(.zipWorker, environment: ["FAULT_POINT": point])
                let export = try await suite.requestExport()
                #expect(try await dying.waitForEnd() == -SIGKILL)
                try await suite.endLeases()
                let began = ContinuousClock.now
                let worker = try await suite.start(.zipWorker)
                #expect(try await suite.endedExport(export)["status"] == "ready")
                let took = ContinuousClock.now - began
                try await suite.stop(worker)
                return took
            }
        }

        @Test("A sweeper killed between marking jobs and announcing them: another announces them")
        func sweeper() async throws {
            try await FaultCell(fault: "Sweeper killed at sweeper-marked", few: 1, full: 50).run { suite, round in
                let asset = try await suite.uploadOne(try await suite.quickPhoto("one.jpg", bytes: 60_000 + round))
                let environment = ["HTTP_PORT": "\(try freePort())", "FAULT_POINT": "sweeper-marked"]
                let dying = try await suite.start(.api, environment: environment)
                let due = Query<NoRow>("UPDATE jobs SET announce_at = now() WHERE state = 'queued'")
                // The healthy API sweeps as well: the job is made due until the other has taken it.
                let marking = Task {
                    while !Task.isCancelled {
                        _ = try await suite.database.run(due())
                        try await Task.sleep(for: .milliseconds(100))
                    }
                }
                #expect(try await dying.waitForEnd() == -SIGKILL)
                marking.cancel()
                _ = await marking.result
                _ = try await suite.database.run(due())
                let began = ContinuousClock.now
                let worker = try await suite.start(.mediaWorker)
                #expect(try await suite.client.settled(asset)["status"] == "ready")
                let took = ContinuousClock.now - began
                try await suite.stop(worker)
                return took
            }
        }

        @Test("A collector killed at a file: the next goes on", arguments: ["collector-aside", "collector-removed"])
        func collector(_ point: String) async throws {
            try await FaultCell(fault: "Collector killed at \(point)", few: 1, full: 50).run { suite, round in
                let asset = try await suite.uploadOne(try await suite.quickPhoto("one.jpg", bytes: 60_000 + round))
                _ = try await suite.client.send("DELETE", "/v1/assets/\(asset)")
                try suite.ageFiles()
                await #expect(throws: CommandFailure.self) {
                    try await suite.control("gc", "--delete", environment: ["FAULT_POINT": point])
                }
                let began = ContinuousClock.now
                try await suite.control("gc", "--delete")
                #expect(suite.files.isEmpty, "\(suite.files)")
                return .now - began
            }
        }
    }
}
