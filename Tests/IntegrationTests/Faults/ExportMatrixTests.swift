import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// The fault matrix, continued: exports asked for by everyone at once, and ZIP workers stopped in the middle of one.
    @Suite(.countsWrongAnswers) struct FaultMatrixExports {
        @Test("Thousands of identical requests, 200 at a time over two API processes, are one export")
        func identical() async throws {
            let count = Counts.of(1000, full: 10_000)
            let fault = "\(count) identical export requests, 200 at a time"
            try await FaultCell(fault: fault, few: 1, full: 10, workers: [.zipWorker]).run { suite, _ in
                let port = "\(try freePort())"
                let second = try await suite.start(.api, environment: ["HTTP_PORT": port])
                // Another item makes it another request than the last round's.
                for _ in 1...10 { _ = try await suite.client.makeItem() }
                async let one = suite.askForExport(count / 2, of: suite.client.base)
                async let two = suite.askForExport(count / 2, of: "http://127.0.0.1:\(port)")
                let answers = try await one + two
                let began = ContinuousClock.now
                #expect(answers.count == count)
                #expect(answers.filter { $0.status == "202" }.count == 1)
                #expect(answers.filter { $0.status == "200" }.count == count - 1)
                let export = try #require(answers.first?.id)
                #expect(answers.allSatisfy { $0.id == export })
                #expect(try await suite.endedExport(export)["status"] == "ready")
                let took = ContinuousClock.now - began
                #expect(try await suite.client.send("DELETE", "/v1/exports/\(export)").status == 204)
                let live = Query<Value<Int>>("SELECT count(*) AS value FROM exports WHERE deleted_at IS NULL")
                #expect(try await suite.database.first(live())?.value == 0)
                try await suite.stop(second)
                return took
            }
        }

        @Test(
            "A ZIP worker killed at any moment in a large part: another ends it, once, and nothing is left of the first"
        )
        func killed() async throws {
            let cell = FaultCell(
                fault: "ZIP worker killed at a random moment in a part",
                few: 2,
                full: 50,
                environment: LargeExports.environment
            )
            var exports = LargeExports()
            try await cell.run { suite, round in
                if round == 1 { try await exports.prepare(in: suite) }
                let worker = try await suite.start(.zipWorker)
                let export = try await exports.request(in: suite)
                try await suite.partBegins(of: export)
                try await Task.sleep(for: exports.duration.anyMoment)
                worker.send(SIGKILL)
                #expect(try await worker.waitForEnd() == -SIGKILL)
                try await suite.endLeases()
                let began = ContinuousClock.now
                let other = try await suite.start(.zipWorker)
                let ended = try await suite.endedExport(export)
                #expect(ended["status"] == "ready", "\(ended)")
                let took = ContinuousClock.now - began
                try await suite.stop(other)
                try await suite.requireWholeArchive(of: export)
                return took
            }
        }

        @Test("A ZIP worker told to stop in a part hands it back at once and uncharged, or has finished it")
        func toldToStop() async throws {
            let cell = FaultCell(
                fault: "ZIP worker told to stop in a part",
                few: 1,
                full: 50,
                environment: LargeExports.environment
            )
            var exports = LargeExports()
            try await cell.run { suite, round in
                if round == 1 { try await exports.prepare(in: suite) }
                let worker = try await suite.start(.zipWorker)
                let export = try await exports.request(in: suite)
                try await suite.partBegins(of: export)
                try await Task.sleep(for: exports.duration.anyMoment)
                let began = ContinuousClock.now
                try await suite.stop(worker)
                let took = ContinuousClock.now - began
                #expect(took < .seconds(5))
                let job = try await suite.job(ofPartOf: export)
                #expect(job.state == .done || (job.state == .queued && job.attempt == 0), "\(job)")
                #expect(suite.spooled.isEmpty, "\(suite.spooled)")
                let other = try await suite.start(.zipWorker)
                #expect(try await suite.endedExport(export)["status"] == "ready")
                try await suite.stop(other)
                try await suite.requireWholeArchive(of: export)
                return took
            }
        }
    }
}

/// Exports whose one part takes a while, one after the other.
private struct LargeExports {
    /// However many items there are, they are one part.
    static let environment = ["EXPORT_ITEMS_PER_PART": "1000"]

    /// From a part's claim to its end, when nothing happens to it.
    private(set) var duration = Duration.zero
    private var last: String?

    mutating func prepare(in suite: TestSupport.Suite) async throws {
        let item = try await suite.client.makeItem()
        for number in 1...3 {
            let photo = try await suite.quickPhoto("large-\(number).jpg", bytes: 45_000_000)
            #expect(try await suite.client.upload([photo], to: item).status == 201)
        }
        let worker = try await suite.start(.zipWorker)
        let export = try await request(in: suite)
        try await suite.partBegins(of: export)
        let began = ContinuousClock.now
        #expect(try await suite.endedExport(export)["status"] == "ready")
        duration = ContinuousClock.now - began
        try await suite.stop(worker)
    }

    /// Asks for an export no one has asked for, with one item more. The last one goes, of which one archive is left.
    mutating func request(in suite: TestSupport.Suite) async throws -> String {
        if let last {
            #expect(suite.archives.count == 1, "\(suite.archives)")
            #expect(try await suite.client.send("DELETE", "/v1/exports/\(last)").status == 204)
        }
        _ = try await suite.client.makeItem()
        let export = try await suite.requestExport()
        last = export
        return export
    }
}

extension TestSupport.Suite {
    /// Asks for all items so often, over a hundred connections, and gives the answers.
    fileprivate func askForExport(_ count: Int, of base: String) async throws -> [(status: String, id: String)] {
        let answers = directory.appending(path: "answers-\(UUID())")
        try FileManager.default.createDirectory(at: answers, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: answers) }
        // One program with many connections: they come closer together than as many programs would.
        let statuses = try await run(
            "curl",
            "--silent",
            "--parallel",
            "--parallel-immediate",
            "--parallel-max",
            "100",
            "--header",
            "Authorization: Bearer \(client.token ?? "")",
            "--header",
            "Content-Type: application/json",
            "--data",
            "{}",
            "--output",
            "\(answers.path)/#1",
            "--write-out",
            "%{http_code}\n",
            "\(base)/v1/exports?number=[1-\(count)]"
        )
        let files = try FileManager.default.contentsOfDirectory(at: answers, includingPropertiesForKeys: nil)
        let ids = try files.map { file in
            try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: file))["id"].string ?? ""
        }
        return zip(statuses.split(separator: "\n"), ids).map { (String($0), $1) }
    }

    fileprivate func partBegins(of export: String) async throws {
        _ = try await self.export(export, within: .seconds(30)) { $0["status"].string != "queued" }
    }

    fileprivate func requireWholeArchive(of export: String) async throws {
        let archive = try await download(export, part: 1)
        try await run("unzip", "-tqq", archive.path)
        try FileManager.default.removeItem(at: archive)
    }

    fileprivate func job(ofPartOf export: String) async throws -> JobFixture.State {
        let job = Query<JobFixture.State>(
            """
            SELECT j.state, j.attempt, j.fence, j.progress FROM jobs j JOIN export_parts p ON p.id = j.subject_id
             WHERE p.export_id = $1
            """
        )
        return try #require(try await database.first(job(UUID(uuidString: export))))
    }
}
