import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// The fault matrix, continued: servers that go away, workers that stop, clocks and disks that are wrong.
    @Suite struct FaultMatrixServers {
        @Test("A worker that was stopped past its lease changes nothing when it goes on")
        func stopped() async throws {
            try await FaultCell(fault: "Media worker stopped past its lease", few: 1, full: 100).run { suite, round in
                let stopped = try await suite.start(.mediaWorker)
                let photo = try await Samples(in: suite.directory).photo("large.jpg", bytes: 6_000_000 + round)
                let asset = try await suite.uploadOne(photo)
                try await suite.client.taken(asset)
                stopped.send(SIGSTOP)
                try await suite.endLeases()
                let worker = try await suite.start(.mediaWorker)
                let began = ContinuousClock.now
                #expect(try await suite.client.settled(asset)["status"] == "ready")
                let took = ContinuousClock.now - began
                let before = suite.files
                stopped.send(SIGCONT)
                try await suite.stop(stopped)
                #expect(
                    suite.files.filter { $0.hasPrefix("renditions/") } == before.filter { $0.hasPrefix("renditions/") }
                )
                try await suite.stop(worker)
                return took
            }
        }

        @Test("A worker told to stop in a film hands it back at once, and uncharged")
        func toldToStop() async throws {
            try await FaultCell(fault: "Media worker told to stop in a film", few: 1, full: 50).run { suite, round in
                let worker = try await suite.start(.mediaWorker)
                let film = try await Samples(in: suite.directory).film("\(round).mov", seconds: 10)
                let asset = try await suite.uploadOne(film)
                try await suite.client.taken(asset)
                let began = ContinuousClock.now
                try await suite.stop(worker)
                let took = ContinuousClock.now - began
                #expect(took < .seconds(5))
                let job = try await suite.database.first(
                    Query<JobStanding>("SELECT state, attempt FROM jobs WHERE subject_id = $1")(UUID(uuidString: asset))
                )
                #expect(job?.state == "done" || job?.attempt == 0)
                _ = try await suite.client.send("DELETE", "/v1/assets/\(asset)")
                return took
            }
        }

        @Test(
            "A broker killed while photos pour in: each is acknowledged, and ends ready",
            .enabled(if: BrokerControl.isGiven)
        )
        func broker() async throws {
            let cell = FaultCell(fault: "Broker killed under load", few: 1, full: 30, workers: [.mediaWorker])
            try await cell.run { suite, round in
                let item = try await suite.client.makeItem()
                async let statuses = suite.pour(photos: 300, to: item, round: round)
                try await Task.sleep(for: .milliseconds(Int.random(in: 100...700)))
                try await BrokerControl.kill()
                let answers = try await statuses
                try await BrokerControl.start()
                let began = ContinuousClock.now
                #expect(answers.count == 300)
                #expect(answers.allSatisfy { $0 == "201" }, "\(Set(answers))")
                try await suite.settleAll()
                return .now - began
            }
        }

        @Test("A database killed in the middle of uploads: never half an upload", .enabled(if: PostgresControl.isGiven))
        func postgres() async throws {
            let cell = FaultCell(fault: "Postgres killed under load", few: 1, full: 30, workers: [.mediaWorker])
            try await cell.run { suite, round in
                let item = try await suite.client.makeItem()
                async let statuses = suite.pour(photos: 200, to: item, round: round)
                try await Task.sleep(for: .milliseconds(Int.random(in: 100...700)))
                try await PostgresControl.kill()
                let answers = try await statuses
                try await PostgresControl.start()
                let began = ContinuousClock.now
                #expect(answers.allSatisfy { $0 == "201" || $0 == "503" }, "\(Set(answers))")
                // Whoever was not told that it is stored sends it again.
                try await suite.pourUntilKept(photos: 200, to: item, round: round)
                try await suite.settleAll()
                let count = try await suite.database.first(
                    Query<RowCount>("SELECT count(*) AS rows FROM assets WHERE item_id = $1")(item)
                )
                #expect(count?.rows == 200)
                return .now - began
            }
        }

        @Test("A commit whose answer is lost: sent again, it is the same asset")
        func lostCommit() async throws {
            try await FaultCell(fault: "Answer to the commit lost", few: 3, full: 200).run { suite, round in
                let url = try #require(URLComponents(string: suite.environment["DATABASE_URL"] ?? ""))
                let proxy = try Proxy(to: UInt16(try #require(url.port)))
                defer { proxy.stop() }
                var behind = url
                behind.host = "127.0.0.1"
                behind.port = Int(proxy.port)
                let port = "\(try freePort())"
                let api = try await suite.start(
                    .api,
                    environment: ["HTTP_PORT": port, "DATABASE_URL": try #require(behind.string)]
                )
                let client = Client(base: "http://127.0.0.1:\(port)", token: suite.client.token)
                let item = try await client.makeItem()
                let photo = try await suite.quickPhoto("one.jpg", bytes: 50_000 + round)
                proxy.loseNextAnswer(with: Data("INSERT 0 1".utf8))
                let first = try await client.upload([photo], to: item)
                #expect(proxy.hasLost)
                #expect(first.status == 503 || first.status == 201, "\(first.json)")
                let began = ContinuousClock.now
                let second = try await client.upload([photo], to: item)
                #expect(second.status == 201 || second.status == 200, "\(second.json)")
                let took = ContinuousClock.now - began
                #expect(second.json["assets"].elements.first?["duplicate"] == .bool(true))
                #expect(try await client.send("GET", "/v1/assets?item_id=\(item)").json["assets"].elements.count == 1)
                try await suite.stop(api)
                return took
            }
        }

        @Test(
            "A disk that fails its first sync: never acknowledged, and good again afterwards",
            .enabled(if: Tracer.isPossible)
        )
        func failedSync() async throws {
            try await FaultCell(fault: "EIO on the first sync", few: 1, full: 50).run { suite, round in
                let item = try await suite.client.makeItem()
                let photo = try await suite.quickPhoto("one.jpg", bytes: 50_000 + round)
                try await Tracer.failing("fdatasync", of: suite.api.processID) {
                    let refused = try await suite.client.upload([photo], to: item)
                    #expect(refused.status >= 500, "\(refused.status) \(refused.json)")
                }
                let began = ContinuousClock.now
                #expect(try await suite.client.upload([photo], to: item).status == 201)
                return .now - began
            }
        }

        @Test("Clocks that are an hour wrong: no lease is stolen, nothing ends early", .enabled(if: Clock.isPossible))
        func clocks() async throws {
            try await FaultCell(fault: "Clock an hour wrong", few: 2, full: 20).run { suite, round in
                let wrong = Clock.environment(round % 2 == 0 ? "+1h" : "-1h")
                let api = try await suite.start(
                    .api,
                    environment: wrong.merging(["HTTP_PORT": "\(try freePort())"]) { $1 }
                )
                let workers = [
                    try await suite.start(.mediaWorker, environment: wrong), try await suite.start(.mediaWorker),
                    try await suite.start(.zipWorker, environment: wrong),
                ]
                let asset = try await suite.uploadOne(
                    try await Samples(in: suite.directory).photo("one.jpg", bytes: 3_000_000 + round)
                )
                let began = ContinuousClock.now
                #expect(try await suite.client.settled(asset)["status"] == "ready")
                let took = ContinuousClock.now - began
                let export = try await suite.requestExport()
                #expect(try await suite.endedExport(export)["status"] == "ready")
                let job = try await suite.database.first(
                    Query<JobStanding>("SELECT state, attempt FROM jobs WHERE subject_id = $1")(UUID(uuidString: asset))
                )
                #expect(job?.attempt == 1)
                try await suite.control("gc", "--delete", environment: wrong)
                try await suite.control("check", "--grace", "0", environment: wrong)
                for program in workers + [api] { try await suite.stop(program) }
                return took
            }
        }
    }
}

extension TestSupport.Suite {
    /// Sends photos again until each of them was taken.
    fileprivate func pourUntilKept(photos: Int, to item: ItemID, round: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            let answers = try await pour(photos: photos, to: item, round: round)
            if answers.count == photos, answers.allSatisfy({ $0 == "200" || $0 == "201" }) { return }
            try #require(ContinuousClock.now < deadline, "\(Set(answers))")
        }
    }

    /// Sends so many small photos one after the other over a few connections, and gives the statuses. The same round
    /// sends the same photos.
    fileprivate func pour(photos: Int, to item: ItemID, round: Int) async throws -> [String] {
        let picture = directory.appending(path: "poured.jpg")
        if !FileManager.default.fileExists(atPath: picture.path) {
            _ = try await quickPhoto("poured.jpg", bytes: 2000)
        }
        let base = try Data(contentsOf: picture)
        var requests = "parallel\nparallel-max = 8\n"
        for number in 0..<photos {
            let photo = directory.appending(path: "poured-\(number).jpg")
            try (base + Data("\(round) \(number)".utf8)).write(to: photo)
            requests += """
                next
                url = "\(client.base)/v1/items/\(item)/assets/\(number).jpg"
                upload-file = "\(photo.path)"
                header = "Authorization: Bearer \(client.token ?? "")"
                silent
                output = "/dev/null"
                write-out = "%{http_code}\\n"

                """
        }
        let file = directory.appending(path: "requests-\(UUID())")
        try Data(requests.utf8).write(to: file)
        // curl's own status is that of its last failure; the answers are what counts.
        return try await run("sh", "-c", "curl --config '\(file.path)' || true").split(separator: "\n").map(String.init)
    }
}

private struct JobStanding: RowDecodable {
    let state: String
    let attempt: Int

    init(from row: borrowing Row) throws(DatabaseError) {
        state = try row["state"]
        attempt = try row["attempt"]
    }
}

private struct RowCount: RowDecodable {
    let rows: Int

    init(from row: borrowing Row) throws(DatabaseError) { rows = try row["rows"] }
}
