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
        JobTurn(lastLane: last, favouredLane: favoured, companyLimit: limit)
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
                    _ = try await fixture.database.run(
                        Query<NoRow>("UPDATE jobs SET place = $2 WHERE id = $1")(job, place + number % 2)
                    )
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
            #expect(try await fixture.database.first(awaited(fixture.user))?.value == JobLane.smallBatch)
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

    @Test("What a user sends is a batch from the twenty-first that waits; another's is not, and a large video is long")
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
            #expect(try await lanes(10) == Array(repeating: 0, count: 5) + Array(repeating: 1, count: 5))
            #expect(try await lanes(1) == [1])
            #expect(try await lanes(1, kind: .video) == [0], "another kind of work")
            #expect(try await lanes(1, kind: .video, bytes: 300 << 20) == [2])
            while try await next(fixture, turn()) != nil {}
            #expect(try await lanes(1) == [0])
        }
    }
}
