import Database
import Foundation
import Models
import Repositories
import TestSupport
import Testing

@testable import Jobs

@Suite("Turns of jobs in a real Postgres")
struct JobTurnTests {
    private static let add = Query<NoRow>(
        """
        INSERT INTO jobs (id, kind, subject_id, company_id, lane, run_after)
        VALUES ($1, 'media.image', gen_random_uuid(), $2, $3, now() - $4::float8 * interval '1 s')
        """
    )

    private static let setPlace = Query<NoRow>("UPDATE jobs SET place = $2 WHERE id = $1")
    private static let complete = Query<NoRow>("UPDATE jobs SET state = 'done', lease_until = NULL WHERE id = $1")

    /// A queued job of a company that has been due for so many seconds.
    private func add(
        _ company: CompanyID,
        _ lane: JobLane,
        dueFor seconds: Double,
        to fixture: CompanyFixture
    ) async throws -> JobID {
        let id = JobID.new()
        _ = try await fixture.database.run(Self.add(id, company, lane, seconds))
        return id
    }

    private func next(_ fixture: CompanyFixture, _ turn: JobTurn) async throws -> JobID? {
        try await fixture.database.first(JobStatements.claim(.image, "worker", by: turn))?.id
    }

    private func turn(_ favoured: JobLane = .awaited, last: JobLane = .background, limit: Int = 100) -> JobTurn {
        JobTurn(lastLane: last, favouredLane: favoured, companyLimit: limit, countsPlaces: true)
    }

    @Test("Of companies whose batches wait none is served to its last before another, also with a single slot")
    func batches() async throws {
        try await CompanyFixture.with { fixture in
            let (large, other) = (CompanyID.new(), CompanyID.new())
            for number in 0..<40 { _ = try await add(large, .batch, dueFor: 900 + Double(number), to: fixture) }
            let photo = try await add(other, .batch, dueFor: 1, to: fixture)
            var before = 0
            while let job = try await next(fixture, turn()), job != photo {
                before += 1
                _ = try await fixture.database.run(Self.complete(job))
            }
            // Heads or tails each time: with forty of them once in a million millions.
            #expect(before < 40)
        }
    }

    @Test("Who waits longest among equals is served now and then, however many wait with fewer before them")
    func ageing() async throws {
        try await CompanyFixture.with { fixture in
            let second = try await add(CompanyID.new(), .awaited, dueFor: 900, to: fixture)
            _ = try await fixture.database.run(Self.setPlace(second, 20))
            let first = try await add(CompanyID.new(), .awaited, dueFor: 1, to: fixture)
            _ = try await fixture.database.run(Self.setPlace(first, 1))
            #expect(Set((0..<1000).map { _ in JobTurn().countsPlaces }) == [true, false])
            #expect(try await next(fixture, JobTurn(favouredLane: .awaited, countsPlaces: false)) == second)
        }
    }

    @Test("First what a person waits for; then the company with the fewest at work; then the oldest")
    func order() async throws {
        try await CompanyFixture.with { fixture in
            let (a, b) = (CompanyID.new(), CompanyID.new())
            let old = try await add(a, .batch, dueFor: 900, to: fixture)
            let first = try await add(a, .awaited, dueFor: 60, to: fixture)
            let second = try await add(a, .awaited, dueFor: 50, to: fixture)
            let other = try await add(b, .awaited, dueFor: 1, to: fixture)
            let notYet = try await add(b, .awaited, dueFor: -60, to: fixture)
            let background = try await add(b, .background, dueFor: 999, to: fixture)
            var order: [JobID] = []
            while let job = try await next(fixture, turn()) { order.append(job) }
            // With none at work the older one's company comes first, then the other.
            #expect(order == [first, other, second, old, background])
            try await fixture.makeDue(notYet)
            #expect(try await next(fixture, turn()) == notYet)
        }
    }

    @Test("A single photo does not wait for the last of everybody's twenty, however long those have waited")
    func place() async throws {
        try await CompanyFixture.with { fixture in
            for number in 0..<30 {
                let crowd = CompanyID.new()
                for place in 2...4 {
                    let job = try await add(crowd, .awaited, dueFor: Double(900 - place), to: fixture)
                    _ = try await fixture.database.run(Self.setPlace(job, place + number % 2))
                }
            }
            let photo = try fixture.file(named: "single")
            _ = try await fixture.accept([photo])
            #expect(try await next(fixture, turn()) == photo.job?.id)

            // What is accepted later has those before it.
            let batch = try (0..<30).map { try fixture.file(named: "\($0)") }
            _ = try await fixture.accept(Array(batch.prefix(5)))
            _ = try await fixture.accept(Array(batch.dropFirst(5)))
            let places = Query<Value<Int>>(
                "SELECT place AS value FROM jobs WHERE requested_by = $1 AND state = 'queued' ORDER BY place"
            )
            #expect(try await fixture.database.run(places(fixture.user)).map(\.value) == Array(1...30))
            let awaited = Query<Value<Int>>(
                "SELECT count(*) AS value FROM jobs WHERE requested_by = $1 AND state = 'queued' AND lane = 0"
            )
            #expect(
                try await fixture.database.first(awaited(fixture.user))?.value == 5,
                "what came with the last is a batch"
            )
        }
    }

    @Test("A turn that favours a lane begins with it, and goes on from the first if it is empty")
    func favoured() async throws {
        try await CompanyFixture.with { fixture in
            let company = CompanyID.new()
            let awaited = try await add(company, .awaited, dueFor: 1, to: fixture)
            let long = try await add(company, .long, dueFor: 1, to: fixture)
            #expect(try await next(fixture, turn(.long, last: .batch)) == awaited, "a slot for short work")
            #expect(try await next(fixture, turn(.awaited, last: .batch)) == nil)
            #expect(try await next(fixture, turn(.background)) == long)
        }
    }

    @Test("Every lane is favoured now and then")
    func share() {
        let drawn = Set((0..<2000).map { _ in JobLane.drawn() })
        #expect(drawn.count == 4)
    }

    @Test("A company has no more at work than its limit, and a job whose worker fell silent is not at work")
    func limit() async throws {
        try await CompanyFixture.with { fixture in
            let (a, b) = (CompanyID.new(), CompanyID.new())
            let first = try await add(a, .awaited, dueFor: 9, to: fixture)
            let second = try await add(a, .awaited, dueFor: 8, to: fixture)
            let other = try await add(b, .batch, dueFor: 1, to: fixture)
            #expect(try await next(fixture, turn(limit: 1)) == first)
            #expect(try await next(fixture, turn(limit: 1)) == other)
            #expect(try await next(fixture, turn(limit: 1)) == nil)
            try await fixture.expireLeases()
            let lost = [try await next(fixture, turn(limit: 1)), try await next(fixture, turn(limit: 1))]
            #expect(Set(lost) == [first, other])
            #expect(try await next(fixture, turn(limit: 1)) == nil)
            #expect(try await next(fixture, turn(limit: 2)) == second)
        }
    }

    @Test("A limit of a company holds however many claim at once")
    func limitAtOnce() async throws {
        try await CompanyFixture.with { fixture in
            let company = CompanyID.new()
            for number in 0..<40 { _ = try await add(company, .batch, dueFor: Double(number), to: fixture) }
            let claimed = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<12 {
                    group.addTask {
                        let statements = [
                            JobStatements.claimsInTurn(.image),
                            JobStatements.claim(.image, "worker", by: turn(limit: 2)),
                        ]
                        return try await fixture.database.transaction(statements)[1].decode(ClaimedJob.self).count
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(claimed == 2)
        }
    }

    @Test("However many claim at once, each job is given once, and all are")
    func atOnce() async throws {
        try await CompanyFixture.with { fixture in
            var jobs: Set<JobID> = []
            for number in 0..<60 {
                let company = CompanyID(
                    rawValue: UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, UInt8(number % 7)))
                )
                let lane = JobLane(rawValue: number % 4) ?? .awaited
                jobs.insert(try await add(company, lane, dueFor: Double(number), to: fixture))
            }
            let claimed = try await withThrowingTaskGroup(of: [JobID].self) { group in
                for _ in 0..<12 {
                    group.addTask {
                        var mine: [JobID] = []
                        while let job = try await next(fixture, turn(.drawn())) { mine.append(job) }
                        return mine
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(claimed.count == 60)
            #expect(Set(claimed) == jobs)
        }
    }

    /// Those that some jobs have.
    private func lanes(_ jobs: [JobID], _ fixture: CompanyFixture) async throws -> [Int] {
        let lane = Query<Value<Int>>("SELECT DISTINCT lane AS value FROM jobs WHERE id = ANY ($1::uuid[]) ORDER BY 1")
        return try await fixture.database.run(lane(jobs)).map(\.value)
    }

    @Test("Files of one request are a batch together; what others send in the same moment is not")
    func requests() async throws {
        try await CompanyFixture.with { fixture in
            let form = try (0..<30).map { try fixture.file(named: "form-\($0)") }
            let colleague = try await fixture.colleague()
            let single = try fixture.file(named: "single")
            let accepted = try await AssetRepository(fixture.database)
                .accept(together: [fixture.request(form), fixture.request([single], by: colleague)])
            #expect(accepted.allSatisfy { $0 != nil })
            #expect(try await lanes(form.compactMap(\.job?.id), fixture) == [1])
            #expect(try await lanes([single].compactMap(\.job?.id), fixture) == [0])
        }
    }

    @Test("Jobs that are queued again go by the same rule, and a long one stays long")
    func again() async throws {
        try await CompanyFixture.with { fixture in
            func requeue(_ jobs: [JobID]) async throws -> [Int] {
                _ = try await fixture.database.run(
                    Query<NoRow>("UPDATE jobs SET state = 'failed', requested_by = NULL")()
                )
                _ = try await fixture.database.run(JobStatements.requeue(jobs.map(\.rawValue), from: [.failed]))
                return try await lanes(jobs, fixture)
            }
            func added(_ lane: JobLane, _ count: Int) async throws -> [JobID] {
                var jobs: [JobID] = []
                for _ in 0..<count { jobs.append(try await add(CompanyID.new(), lane, dueFor: 1, to: fixture)) }
                return jobs
            }
            let film = try fixture.file(named: "film", kind: .video, bytes: 300 << 20)
            _ = try await fixture.accept([film])
            let found = [
                try await requeue(try await added(.batch, 20)), try await requeue(try await added(.awaited, 21)),
                try await requeue([film].compactMap(\.job?.id)),
            ]
            #expect(found == [[0], [1], [2]])
        }
    }

    @Test(
        "What a user sends together is a batch if more than twenty would wait; a single one is not, a large video is long"
    )
    func lanes() async throws {
        try await CompanyFixture.with { fixture in
            func lanes(_ files: Int, kind: Asset.Kind = .image, bytes: Int64 = 1) async throws -> [Int] {
                let new = try (0..<files).map { _ in
                    try fixture.file(named: UUID().uuidString, kind: kind, bytes: bytes)
                }
                _ = try await fixture.accept(new)
                let lane = Query<Value<Int>>("SELECT lane AS value FROM jobs WHERE id = $1")
                var lanes: [Int] = []
                for job in new.compactMap(\.job) {
                    lanes.append(try await fixture.database.first(lane(job.id))?.value ?? -1)
                }
                return lanes.sorted()
            }
            #expect(try await lanes(15) == Array(repeating: 0, count: 15))
            #expect(try await lanes(10) == Array(repeating: 1, count: 10))
            #expect(try await lanes(5) == Array(repeating: 0, count: 5), "fifteen wait, and a batch")
            #expect(try await lanes(1) == [1])
            #expect(try await lanes(1, kind: .video) == [0], "another kind of work")
            #expect(try await lanes(1, kind: .video, bytes: 300 << 20) == [2])
            while try await next(fixture, turn()) != nil {}
            #expect(try await lanes(1) == [0])
        }
    }
}
