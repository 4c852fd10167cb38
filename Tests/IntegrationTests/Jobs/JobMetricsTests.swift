import Database
import Foundation
import Models
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
