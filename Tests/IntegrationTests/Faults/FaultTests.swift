import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Whatever is killed in between, what was acknowledged ends ready.
    @Suite struct Faults {
        @Test("15 photos of one request are persisted by one transaction, and all become ready")
        func oneCommit() async throws {
            try await Suite.with { suite in
                let samples = Samples(in: suite.directory)
                var photos: [URL] = []
                for number in 1...15 {
                    photos.append(try await samples.photo("\(number).jpg", bytes: 5_600_000 + number * 20_000))
                }
                let item = try await suite.client.makeItem()
                let answer = try await suite.client.upload(photos, to: item)
                #expect(answer.status == 201)
                #expect(answer.json["assets"].elements.count == 15)
                // Every row carries the id of the transaction that wrote it.
                let transactions = try await suite.database.run(
                    Query<Transactions>(
                        """
                        SELECT count(*) AS rows, count(DISTINCT writer) AS transactions
                          FROM (SELECT xmin::text AS writer FROM assets UNION ALL SELECT xmin::text FROM jobs) written
                        """
                    )()
                )
                #expect(transactions.first?.rows == 30)
                #expect(transactions.first?.transactions == 1)

                let worker = try await suite.start(.mediaWorker)
                for asset in answer.json["assets"].elements {
                    let ready = try await suite.client.settled(asset["id"].string ?? "", within: .seconds(120))
                    #expect(ready["status"] == "ready", "\(ready)")
                }
                try await suite.stop(worker)
            }
        }

        @Test(
            "Uploads go on while the broker is away, and are processed when it is back",
            .enabled(if: BrokerControl.isGiven)
        )
        func brokerStopped() async throws {
            try await Suite.with([.mediaWorker]) { suite in
                let item = try await suite.client.makeItem()
                let samples = Samples(in: suite.directory)
                try await BrokerControl.stop()
                var assets: [String] = []
                do {
                    for number in 1...3 {
                        let answer = try await suite.client.upload(
                            [try await samples.photo("\(number).jpg", bytes: 100_000 + number)],
                            to: item
                        )
                        #expect(answer.status == 201)
                        assets += answer.json["assets"].elements.compactMap { $0["id"].string }
                    }
                    let health = try await suite.client.send("GET", "/health/ready")
                    #expect(health.status == 200)
                    #expect(health.json["status"] == "degraded")
                } catch {
                    try await BrokerControl.start()
                    throw error
                }
                try await BrokerControl.start()
                #expect(assets.count == 3)
                for asset in assets {
                    #expect(try await suite.client.settled(asset, within: .seconds(90))["status"] == "ready")
                }
            }
        }

        @Test("A worker killed in the middle of an image: another attempt makes it ready")
        func killedDuringImage() async throws {
            try await killedWorker(sample: { try await $0.photo("large.jpg", bytes: 40_000_000) })
        }

        @Test("A worker killed in the middle of a film: another attempt makes it ready")
        func killedDuringFilm() async throws {
            try await killedWorker(sample: { try await $0.film(seconds: 12) })
        }

        /// Kills the worker as soon as the row says it is working, then starts another. The lease is a minute.
        private func killedWorker(sample: (Samples) async throws -> URL) async throws {
            try await Suite.with { suite in
                let file = try await sample(Samples(in: suite.directory))
                let worker = try await suite.start(.mediaWorker)
                let asset = try await suite.uploadOne(file)
                try await suite.client.taken(asset)
                worker.send(SIGKILL)
                #expect(try await worker.waitForEnd() == -SIGKILL)
                #expect(try await suite.client.send("GET", "/v1/assets/\(asset)").json["status"] == "processing")
                let second = try await suite.start(.mediaWorker)
                let ready = try await suite.client.settled(asset, within: .seconds(150))
                #expect(ready["status"] == "ready", "\(ready)")
                let job = try await suite.job(of: asset)
                #expect(job.attempt == 2)
                #expect(job.fence == 2)
                try await suite.stop(second)
                // The killed attempt's files are gone: the original and two renditions are all there is.
                #expect(suite.files.count == 3, "\(suite.files)")
            }
        }

        @Test("A worker told to stop hands its film back at once, without charging the attempt")
        func handedBack() async throws {
            try await Suite.with { suite in
                let worker = try await suite.start(.mediaWorker)
                let asset = try await suite.uploadOne(try await Samples(in: suite.directory).film(seconds: 20))
                try await suite.client.taken(asset)
                try await suite.stop(worker)
                #expect(try await suite.job(of: asset).attempt == 0)
                #expect(suite.files.count == 1, "\(suite.files)")
                let second = try await suite.start(.mediaWorker)
                #expect(try await suite.client.settled(asset, within: .seconds(120))["status"] == "ready")
                try await suite.stop(second)
            }
        }
    }

    /// How much the processes hold while they work.
    @Suite struct Memory {
        @Test("The API receives a film of 1 GB with less than 100 MB of memory")
        func largeBody() async throws {
            try await Suite.with { suite in
                let samples = Samples(in: suite.directory)
                let film = try await samples.film(seconds: 1, size: "320x240")
                let large = try samples.zeroes("large.mov", bytes: 1 << 30, beginning: try Data(contentsOf: film))
                let item = try await suite.client.makeItem()
                let answer = try await suite.client.upload([large], to: item)
                #expect(answer.status == 201, "\(answer.json)")
                let peak = try suite.api.peakMemory
                print("peak memory of the API while it received 1 GiB: \(peak >> 20) MiB")
                #expect(peak < 100 << 20)
            }
        }
    }
}

private struct Transactions: RowDecodable {
    let rows: Int
    let transactions: Int

    init(from row: borrowing Row) throws(DatabaseError) {
        rows = try row["rows"]
        transactions = try row["transactions"]
    }
}
