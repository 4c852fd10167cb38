import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration.FaultMatrix {
    /// Servers that go away, and connections to them that are slow or cut.
    @Suite(.countsWrongAnswers) struct ServerFaults {
        @Test(
            "A broker killed while many photos come in: each is acknowledged, and ends ready",
            .controlsBroker
        )
        func broker() async throws {
            let cell = FaultScenario("Broker killed under load", few: 1, full: 30, workers: [.mediaWorker])
            var rates: [Int] = []
            let median = { " (\(rates.sorted().dropFirst(rates.count / 2).first ?? 0) jobs/s)" }
            try await cell.run(measured: median) { stack, round in
                let item = try await stack.client.makeItem()
                async let uploading = stack.upload(photos: 900, to: item, round: round, perRequest: 10)
                rates.append(try await stack.waitForPhotos(perSecond: 200, or: 450, of: item))
                try await TestServer.broker.kill()
                let answers = try await uploading
                try await TestServer.broker.start()
                let began = ContinuousClock.now
                #expect(answers.count == 90)
                #expect(answers.allSatisfy { $0.status == "201" }, "\(Set(answers.map(\.status)))")
                try await stack.settleAll()
                return .now - began
            }
        }

        @Test(
            "A broker short of memory for minutes: every upload is taken meanwhile, and ends ready within two minutes",
            .controlsBroker
        )
        func alarm() async throws {
            let cell = FaultScenario(
                "Broker short of memory during uploads",
                few: 1,
                full: 5,
                workers: [.mediaWorker]
            )
            try await cell.run { stack, round in
                let item = try await stack.client.makeItem()
                try await TestServer.broker.alarmed {
                    let end = ContinuousClock.now + .seconds(Counts.of(2, full: 150))
                    var batch = 0
                    repeat {
                        batch += 1
                        let answers = try await stack.upload(photos: 20, to: item, round: round * 1000 + batch)
                        #expect(answers.count == 20)
                        #expect(answers.allSatisfy { $0.status == "201" }, "\(Set(answers.map(\.status)))")
                        try await Task.sleep(for: .seconds(1))
                    } while ContinuousClock.now < end
                }
                let began = ContinuousClock.now
                try await stack.settleAll(within: .seconds(120))
                return .now - began
            }
        }

        @Test("A database killed in the middle of uploads: never half an upload", .controlsPostgres)
        func postgres() async throws {
            let cell = FaultScenario("Postgres killed under load", few: 1, full: 30, workers: [.mediaWorker])
            try await cell.run { stack, round in
                let item = try await stack.client.makeItem()
                let large = try await stack.quickPhoto("large.jpg", bytes: 20_000_000)
                async let uploading = stack.upload(photos: 200, to: item, round: round)
                async let slow = stack.client.upload([large], to: item, curl: ["--limit-rate", "20M"])
                try await Task.sleep(for: Duration.milliseconds(900).anyMoment)
                try await TestServer.postgres.kill()
                let statuses = Set(try await uploading.map(\.status) + ["\(try await slow.status)"])
                try await TestServer.postgres.start()
                let began = ContinuousClock.now
                #expect(statuses.isSubset(of: ["201", "503"]), "\(statuses)")
                // Whoever was not told that it is stored sends it again.
                try await stack.uploadUntilKept(photos: 200, to: item, round: round)
                #expect(try await [200, 201].contains(stack.client.upload([large], to: item).status))
                try await stack.settleAll()
                let count = Query<Value<Int>>("SELECT count(*) AS value FROM assets WHERE item_id = $1")
                #expect(try await stack.database.first(count(item))?.value == 201)
                return .now - began
            }
        }

        @Test("A commit whose answer is lost: sent again, it is the same asset")
        func lostCommit() async throws {
            try await FaultScenario("Answer to the commit lost", few: 3, full: 200).run { stack, round in
                let (proxy, url) = try stack.proxy(before: "DATABASE_URL")
                defer { proxy.stop() }
                let api = try await stack.startAnotherAPI(environment: ["DATABASE_URL": url])
                let client = stack.client(of: api)
                let item = try await client.makeItem()
                let photo = try await stack.quickPhoto("one.jpg", bytes: 50_000 + round)
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
                try await stack.stop(api)
                return took
            }
        }

        @Test("Connections to the servers that are slow, and end at any byte: nothing is lost, and nothing is twice")
        func cut() async throws {
            let cell = FaultScenario("Slow connections to Postgres and RabbitMQ, cut at any byte", few: 1, full: 50)
            try await cell.run { stack, round in
                let (postgres, databaseURL) = try stack.proxy(before: "DATABASE_URL")
                let (broker, brokerURL) = try stack.proxy(before: "AMQP_URL")
                defer { for proxy in [postgres, broker] { proxy.stop() } }
                let behind = ["DATABASE_URL": databaseURL, "AMQP_URL": brokerURL]
                let api = try await stack.startAnotherAPI(environment: behind)
                let worker = try await stack.start(.mediaWorker, environment: behind)
                let client = stack.client(of: api)
                let item = try await stack.client.makeItem()
                postgres.disturb(delay: .milliseconds(2), bytesBetweenCuts: 20_000)
                broker.disturb(delay: .milliseconds(20), bytesBetweenCuts: 3000)
                for _ in 1...3 {
                    let answers = try await stack.upload(photos: 60, to: item, round: round, through: client)
                    let statuses = Set(answers.map(\.status))
                    #expect(statuses.isSubset(of: ["200", "201", "503"]), "\(statuses)")
                }
                for proxy in [postgres, broker] { proxy.calmDown() }
                let began = ContinuousClock.now
                try await stack.uploadUntilKept(photos: 60, to: item, round: round, through: client)
                // Of jobs whose claim was cut nobody knows.
                try await stack.endLeases()
                // In the first rounds the half minute of what was committed and not announced goes by.
                if round > Counts.of(0, full: 2) { try await stack.announceNow() }
                try await stack.settleAll()
                let took = ContinuousClock.now - began
                let count = Query<Value<Int>>("SELECT count(*) AS value FROM assets WHERE item_id = $1")
                #expect(try await stack.database.first(count(item))?.value == 60)
                for program in [worker, api] { try await stack.stop(program) }
                return took
            }
        }
    }
}

extension TestStack {
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
        try await eventually("many photos come in", within: .seconds(120)) {
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
