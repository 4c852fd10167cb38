import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Whatever is killed in between, what was asked for ends ready, once.
    @Suite struct ExportFaults {
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
