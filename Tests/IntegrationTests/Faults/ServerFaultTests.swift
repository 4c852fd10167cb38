import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// The fault matrix, continued: servers that go away.
    @Suite(.countsWrongAnswers) struct FaultMatrixServers {
        @Test(
            "A broker killed while photos pour in: each is acknowledged, and ends ready",
            .enabled(if: BrokerControl.isGiven)
        )
        func broker() async throws {
            let cell = FaultCell(fault: "Broker killed under load", few: 1, full: 30, workers: [.mediaWorker])
            var rates: [Int] = []
            let median = { " (\(rates.sorted().dropFirst(rates.count / 2).first ?? 0) jobs/s)" }
            try await cell.run(measured: median) { suite, round in
                let item = try await suite.client.makeItem()
                async let pouring = suite.pour(photos: 900, to: item, round: round, perRequest: 10)
                rates.append(try await suite.waitForPhotos(perSecond: 200, or: 450, of: item))
                try await BrokerControl.kill()
                let answers = try await pouring
                try await BrokerControl.start()
                let began = ContinuousClock.now
                #expect(answers.count == 90)
                #expect(answers.allSatisfy { $0.status == "201" }, "\(Set(answers.map(\.status)))")
                try await suite.settleAll()
                return .now - began
            }
        }

        @Test(
            "A broker short of memory for minutes: every upload is taken meanwhile, and ends ready within two minutes",
            .enabled(if: BrokerControl.isGiven)
        )
        func alarm() async throws {
            let cell = FaultCell(
                fault: "Broker short of memory during uploads",
                few: 1,
                full: 5,
                workers: [.mediaWorker]
            )
            try await cell.run { suite, round in
                let item = try await suite.client.makeItem()
                try await BrokerControl.alarmed {
                    let end = ContinuousClock.now + .seconds(Counts.of(2, full: 150))
                    var poured = 0
                    repeat {
                        poured += 1
                        let answers = try await suite.pour(photos: 20, to: item, round: round * 1000 + poured)
                        #expect(answers.count == 20)
                        #expect(answers.allSatisfy { $0.status == "201" }, "\(Set(answers.map(\.status)))")
                        try await Task.sleep(for: .seconds(1))
                    } while ContinuousClock.now < end
                }
                let began = ContinuousClock.now
                try await suite.settleAll(within: .seconds(120))
                return .now - began
            }
        }

        @Test("A database killed in the middle of uploads: never half an upload", .enabled(if: PostgresControl.isGiven))
        func postgres() async throws {
            let cell = FaultCell(fault: "Postgres killed under load", few: 1, full: 30, workers: [.mediaWorker])
            try await cell.run { suite, round in
                let item = try await suite.client.makeItem()
                let large = try await suite.quickPhoto("large.jpg", bytes: 20_000_000)
                async let pouring = suite.pour(photos: 200, to: item, round: round)
                async let slow = suite.client.upload([large], to: item, curl: ["--limit-rate", "20M"])
                try await Task.sleep(for: Duration.milliseconds(900).anyMoment)
                try await PostgresControl.kill()
                let statuses = Set(try await pouring.map(\.status) + ["\(try await slow.status)"])
                try await PostgresControl.start()
                let began = ContinuousClock.now
                #expect(statuses.isSubset(of: ["201", "503"]), "\(statuses)")
                // Whoever was not told that it is stored sends it again.
                try await suite.pourUntilKept(photos: 200, to: item, round: round)
                #expect(try await [200, 201].contains(suite.client.upload([large], to: item).status))
                try await suite.settleAll()
                let count = Query<Value<Int>>("SELECT count(*) AS value FROM assets WHERE item_id = $1")
                #expect(try await suite.database.first(count(item))?.value == 201)
                return .now - began
            }
        }

        @Test("A commit whose answer is lost: sent again, it is the same asset")
        func lostCommit() async throws {
            try await FaultCell(fault: "Answer to the commit lost", few: 3, full: 200).run { suite, round in
                let (proxy, url) = try suite.proxy(before: "DATABASE_URL")
                defer { proxy.stop() }
                let port = "\(try freePort())"
                let api = try await suite.start(.api, environment: ["HTTP_PORT": port, "DATABASE_URL": url])
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

        @Test("Connections to the servers that are slow, and end at any byte: nothing is lost, and nothing is twice")
        func cut() async throws {
            let cell = FaultCell(fault: "Slow connections to Postgres and RabbitMQ, cut at any byte", few: 1, full: 50)
            try await cell.run { suite, round in
                let (postgres, databaseURL) = try suite.proxy(before: "DATABASE_URL")
                let (broker, brokerURL) = try suite.proxy(before: "AMQP_URL")
                defer { for proxy in [postgres, broker] { proxy.stop() } }
                let port = "\(try freePort())"
                let behind = ["HTTP_PORT": port, "DATABASE_URL": databaseURL, "AMQP_URL": brokerURL]
                let api = try await suite.start(.api, environment: behind)
                let worker = try await suite.start(.mediaWorker, environment: behind)
                let client = Client(base: "http://127.0.0.1:\(port)", token: suite.client.token)
                let item = try await suite.client.makeItem()
                postgres.disturb(delay: .milliseconds(2), bytesBetweenCuts: 20_000)
                broker.disturb(delay: .milliseconds(20), bytesBetweenCuts: 3000)
                for _ in 1...3 {
                    let answers = try await suite.pour(photos: 60, to: item, round: round, through: client)
                    let statuses = Set(answers.map(\.status))
                    #expect(statuses.isSubset(of: ["200", "201", "503"]), "\(statuses)")
                }
                for proxy in [postgres, broker] { proxy.calmDown() }
                let began = ContinuousClock.now
                try await suite.pourUntilKept(photos: 60, to: item, round: round, through: client)
                // Of jobs whose claim was cut nobody knows.
                try await suite.endLeases()
                // In the first rounds the half minute of what was committed and not announced goes by.
                if round > Counts.of(0, full: 2) { try await suite.announceNow() }
                try await suite.settleAll()
                let took = ContinuousClock.now - began
                let count = Query<Value<Int>>("SELECT count(*) AS value FROM assets WHERE item_id = $1")
                #expect(try await suite.database.first(count(item))?.value == 60)
                for program in [worker, api] { try await suite.stop(program) }
                return took
            }
        }
    }
}

extension TestSupport.Suite {
    /// A proxy before the server that a variable names, and what the variable is then.
    fileprivate func proxy(before variable: String) throws -> (Proxy, String) {
        var url = try #require(URLComponents(string: environment[variable] ?? ""))
        let proxy = try Proxy(to: UInt16(try #require(url.port)))
        url.host = "127.0.0.1"
        url.port = Int(proxy.port)
        return (proxy, try #require(url.string))
    }

    /// Waits until photos, each of them a job, are taken at a rate, or so many of them are taken: a busy machine may never
    /// reach it. Gives the highest rate.
    fileprivate func waitForPhotos(perSecond wanted: Int, or enough: Int, of item: ItemID) async throws -> Int {
        let counts = Query<Taken>(
            """
            SELECT count(*) AS photos, 2 * count(*) FILTER (WHERE created_at > now() - interval '0.5 s') AS per_second
              FROM assets WHERE item_id = $1
            """
        )
        var highest = 0
        try await eventually("photos pour in", within: .seconds(120)) {
            guard let taken = try await database.first(counts(item)) else { return false }
            highest = max(highest, taken.perSecond)
            return highest >= wanted || taken.photos >= enough
        }
        return highest
    }
}

private struct Taken: RowDecodable {
    let photos: Int
    let perSecond: Int

    init(from row: borrowing Row) throws(DatabaseError) {
        photos = try row["photos"]
        perSecond = try row["per_second"]
    }
}
