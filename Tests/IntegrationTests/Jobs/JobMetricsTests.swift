import Database
import Foundation
import Models
import Repositories
import TestSupport
import Testing

@testable import Jobs

/// What the metrics say of jobs.
@Suite("The census of jobs in a real Postgres")
struct JobMetricsTests {
    private func count(_ kind: Job.Kind, _ state: Job.State, in fixture: CompanyFixture) async throws -> JobMetrics
        .Count?
    {
        try await fixture.database.run(JobStatements.counts()).first { $0.kind == kind && $0.state == state }
    }

    @Test("Jobs are counted by kind and state, those that are done left out")
    func states() async throws {
        try await CompanyFixture.with { fixture in
            var jobs: [JobID] = []
            for _ in 1...5 { jobs.append(try await fixture.job()) }
            _ = try await fixture.export()
            for (job, ending) in zip(jobs, [JobStatements.complete, nil, nil]) {
                let claim = try #require(try await fixture.claim(job))
                if let ending { _ = try await fixture.database.run(ending(job, claim.fence)) }
            }
            _ = try await JobRepository(fixture.database).discard(jobs[3], reason: "Not wanted.")
            #expect(try await count(.image, .queued, in: fixture)?.jobs == 1)
            #expect(try await count(.image, .running, in: fixture)?.jobs == 2)
            #expect(try await count(.image, .failed, in: fixture)?.jobs == 1)
            #expect(try await count(.image, .done, in: fixture) == nil)
            #expect(try await count(.part, .queued, in: fixture)?.jobs == 1)
        }
    }

    @Test("The counts are those of the rows, whatever changes them and however often they are added up")
    func addedUp() async throws {
        struct Counted: RowDecodable, Hashable {
            let kind: String
            let state: String
            let jobs: Int

            init(from row: borrowing Row) throws(DatabaseError) {
                (kind, state, jobs) = (try row["kind"], try row["state"], try row["jobs"])
            }
        }
        let counted = Query<Counted>(
            "SELECT kind, state, sum(jobs)::bigint AS jobs FROM job_counts GROUP BY kind, state HAVING sum(jobs) <> 0"
        )
        let there = Query<Counted>(
            "SELECT kind, state, count(*) AS jobs FROM jobs WHERE state <> 'done' GROUP BY kind, state"
        )
        try await CompanyFixture.with { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        for round in 0..<10 {
                            let files = try (0..<3).map { try fixture.file(named: "\(number) \(round) \($0)") }
                            let jobs = try await fixture.accept(files).isEmpty ? [] : files.compactMap(\.job?.id)
                            let turn = JobTurn(favouredLane: .awaited)
                            if let job = try await fixture.database.first(
                                JobStatements.claim(.image, "worker", by: turn)
                            ) {
                                let end =
                                    number % 2 == 0
                                    ? JobStatements.complete(job.id, job.fence)
                                    : JobStatements.fail(job.id, job.fence, "Damaged.")
                                _ = try await fixture.database.run(end)
                            }
                            _ = try await fixture.database.run(
                                Query<NoRow>("DELETE FROM jobs WHERE id = $1")(try #require(jobs.last))
                            )
                            _ = try await fixture.database.run(JobStatements.addUpCounts())
                        }
                    }
                }
                try await group.waitForAll()
            }
            let truth = Set(try await fixture.database.run(there()))
            #expect(Set(try await fixture.database.run(counted())) == truth)
            #expect(!truth.isEmpty)
            _ = try await fixture.database.run(JobStatements.addUpCounts())
            let rows = Query<Value<Int>>("SELECT count(*) AS value FROM job_counts")
            #expect(try await fixture.database.first(rows())?.value == truth.count)
            #expect(Set(try await fixture.database.run(counted())) == truth)
        }
    }

    @Test("What is committed and could be taken is unannounced until the broker has confirmed it")
    func unannounced() async throws {
        try await CompanyFixture.with { fixture in
            let jobs = [try await fixture.job(), try await fixture.job()]
            #expect(try await count(.image, .queued, in: fixture)?.unannounced == 2)
            _ = try await fixture.database.run(JobStatements.confirm([jobs[0]], [0 as Int64]))
            #expect(try await count(.image, .queued, in: fixture)?.unannounced == 1)
            let claim = try #require(try await fixture.claim(jobs[1]))
            _ = try await fixture.database.run(JobStatements.retryLater(jobs[1], claim.fence, "Not now.", 3600.0, 0))
            #expect(try await count(.image, .queued, in: fixture)?.unannounced == 0, "it waits for its time")
        }
    }

    @Test("The oldest is the one that could have been taken first")
    func oldest() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            _ = try await fixture.job()
            _ = try await fixture.database.run(
                Query<NoRow>("UPDATE jobs SET run_after = now() - interval '100 s' WHERE id = $1")(job)
            )
            let seconds = try #require(try await count(.image, .queued, in: fixture)?.oldestSeconds)
            #expect((100..<160).contains(seconds))
        }
    }
}
