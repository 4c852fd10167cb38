import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration.FaultMatrix {
    /// Processes that die at a named point of their work.
    @Suite(.countsWrongAnswers) struct FaultPoints {
        @Test(
            "An API killed in an upload: sent again, each file is one asset",
            arguments: ["api-header", "api-body", "api-synced", "api-linked", "api-committed", "api-announced"]
        )
        func api(_ point: String) async throws {
            let cell = FaultScenario("API killed at \(point)", few: 1, full: 50, workers: [.mediaWorker])
            try await cell.run { stack, round in
                let dying = try await stack.startAnotherAPI(environment: ["FAULT_POINT": point])
                let item = try await stack.client.makeItem()
                let photos = [
                    try await stack.quickPhoto("one.jpg", bytes: 300_000 + round),
                    try await stack.quickPhoto("two.jpg", bytes: 900_000 + round),
                ]
                let client = stack.client(of: dying)
                await #expect(throws: CommandFailure.self) { try await client.upload(photos, to: item) }
                #expect(try await dying.waitForEnd() == -SIGKILL)
                let began = ContinuousClock.now
                let answer = try await stack.client.upload(photos, to: item)
                #expect(answer.status == 201, "\(answer.json)")
                #expect(answer.json["assets"].elements.count == 2)
                // In the first rounds the half minute of what was committed and not announced goes by.
                if round > Counts.of(0, full: 2) { try await stack.announceNow() }
                try await stack.settleAll()
                let held = try await stack.client.json("/v1/assets?item_id=\(item)")
                #expect(held["assets"].elements.count == 2)
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
            try await FaultScenario("Media worker killed at \(point)", few: 1, full: 50).run { stack, round in
                let dying = try await stack.start(.mediaWorker, environment: ["FAULT_POINT": point])
                let asset = try await stack.uploadOne(try await stack.quickPhoto("one.jpg", bytes: 60_000 + round))
                #expect(try await dying.waitForEnd() == -SIGKILL)
                try await stack.endLeases()
                let began = ContinuousClock.now
                let worker = try await stack.start(.mediaWorker)
                #expect(try await stack.client.settled(asset)["status"] == "ready")
                let took = ContinuousClock.now - began
                try await stack.stop(worker)
                return took
            }
        }

        @Test(
            "A ZIP worker killed at a part: another ends it, once",
            arguments: ["job-claimed", "part-begun", "part-written", "part-placed", "job-worked", "job-completed"]
        )
        func zipWorker(_ point: String) async throws {
            try await FaultScenario("ZIP worker killed at \(point)", few: 1, full: 50).run { stack, round in
                let item = try await stack.client.makeItem()
                let photo = try await stack.quickPhoto("one.jpg", bytes: 60_000 + round)
                #expect(try await stack.client.upload([photo], to: item).status == 201)
                let dying = try await stack.start(.zipWorker, environment: ["FAULT_POINT": point])
                let export = try await stack.requestExport()
                #expect(try await dying.waitForEnd() == -SIGKILL)
                try await stack.endLeases()
                let began = ContinuousClock.now
                let worker = try await stack.start(.zipWorker)
                #expect(try await stack.endedExport(export)["status"] == "ready")
                let took = ContinuousClock.now - began
                try await stack.stop(worker)
                return took
            }
        }

        @Test("A sweeper killed between marking jobs and announcing them: another announces them")
        func sweeper() async throws {
            try await FaultScenario("Sweeper killed at sweeper-marked", few: 1, full: 50).run { stack, round in
                let asset = try await stack.uploadOne(try await stack.quickPhoto("one.jpg", bytes: 60_000 + round))
                let dying = try await stack.startAnotherAPI(environment: ["FAULT_POINT": "sweeper-marked"])
                let due = Query<NoRow>("UPDATE jobs SET announce_at = now() WHERE state = 'queued'")
                // The healthy API sweeps as well: the job is made due until the other has taken it.
                let marking = Task {
                    while !Task.isCancelled {
                        _ = try await stack.database.run(due())
                        try await Task.sleep(for: .milliseconds(100))
                    }
                }
                #expect(try await dying.waitForEnd() == -SIGKILL)
                marking.cancel()
                _ = await marking.result
                _ = try await stack.database.run(due())
                let began = ContinuousClock.now
                let worker = try await stack.start(.mediaWorker)
                #expect(try await stack.client.settled(asset)["status"] == "ready")
                let took = ContinuousClock.now - began
                try await stack.stop(worker)
                return took
            }
        }

        @Test("A collector killed at a file: the next goes on", arguments: ["collector-aside", "collector-removed"])
        func collector(_ point: String) async throws {
            try await FaultScenario("Collector killed at \(point)", few: 1, full: 50).run { stack, round in
                let asset = try await stack.uploadOne(try await stack.quickPhoto("one.jpg", bytes: 60_000 + round))
                _ = try await stack.client.send("DELETE", "/v1/assets/\(asset)")
                try stack.ageFiles()
                await #expect(throws: CommandFailure.self) {
                    try await stack.control("gc", "--delete", environment: ["FAULT_POINT": point])
                }
                let began = ContinuousClock.now
                try await stack.control("gc", "--delete")
                #expect(stack.files.isEmpty, "\(stack.files)")
                return .now - began
            }
        }
    }
}
