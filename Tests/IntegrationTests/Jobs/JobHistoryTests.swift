import Database
import Foundation
import Models
import TestSupport
import Testing

@testable import Jobs

/// What the database notes of attempts, whoever ends them.
@Suite("Job history in a real Postgres")
struct JobHistoryTests {
    private typealias Ending = @Sendable (ClaimedJob) -> any AnyStatement

    /// Runs one attempt after the other, each to its end.
    private func attempts(_ endings: [Ending], of job: JobID, in fixture: CompanyFixture) async throws {
        for ending in endings {
            let claim = try #require(try await fixture.claim(job))
            _ = try await fixture.database.transaction([JobStatements.requireLease(job, claim.fence), ending(claim)])
        }
    }

    @Test("Each attempt is noted with who made it, when, what became of it and why")
    func outcomes() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            try await attempts(
                [
                    { JobStatements.retryLater($0.id, $0.fence, "The disk did not answer.", 0.0, 0) },
                    { JobStatements.handBack($0.id, $0.fence) },
                    { JobStatements.retryLater($0.id, $0.fence, "No room.", 0.0, 1) },
                ],
                of: job,
                in: fixture
            )
            _ = try #require(try await fixture.claim(job, "sleeper"))
            try await fixture.expireLeases()
            try await attempts([{ JobStatements.complete($0.id, $0.fence) }], of: job, in: fixture)

            let history = try await fixture.entry(job).history
            #expect(history.map(\.outcome) == [.retried, .handedBack, .postponed, .leaseEnded, .completed])
            #expect(history.map(\.attempt) == [1, 2, 2, 2, 3])
            #expect(history.map(\.fence) == [1, 2, 3, 4, 5])
            #expect(history.map(\.reason) == ["The disk did not answer.", nil, "No room.", nil, nil])
            #expect(history.map(\.worker) == ["worker", "worker", "worker", "sleeper", "worker"])
            for (earlier, later) in zip(history, history.dropFirst()) {
                #expect(try #require(earlier.startedAt) <= #require(later.startedAt))
            }
        }
    }

    @Test("What fails and what the operator discards is told apart")
    func endings() async throws {
        try await CompanyFixture.with { fixture in
            let failed = try await fixture.job()
            try await attempts([{ JobStatements.fail($0.id, $0.fence, "It is cut off.") }], of: failed, in: fixture)
            let discarded = try await fixture.job()
            _ = try await fixture.claim(discarded)
            _ = try await JobRepository(fixture.database).discard(discarded, reason: "Not wanted.")
            for (job, outcome, reason) in [
                (failed, JobEntry.Outcome.failed, "It is cut off."), (discarded, .discarded, "Not wanted."),
            ] {
                let entry = try await fixture.entry(job)
                #expect(entry.state == .failed)
                #expect(entry.reason == reason)
                #expect(entry.history.map(\.outcome) == [outcome])
                #expect(entry.history.map(\.reason) == [reason])
            }
        }
    }

    @Test("A renewed lease, progress and an announcement are no attempts")
    func nothingElse() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            _ = try await fixture.database.run(JobStatements.confirm([job], [0 as Int64]))
            let claim = try #require(try await fixture.claim(job))
            _ = try await fixture.database.first(JobStatements.renew(job, claim.fence))
            _ = try await fixture.database.run(JobStatements.progress(job, claim.fence, 0.5))
            try await fixture.passTime(to: [job])
            _ = try await fixture.database.run(JobStatements.due())
            #expect(try await fixture.entry(job).history.isEmpty)
        }
    }

    @Test("The last 20 attempts are kept")
    func bounded() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            let ending: Ending = { JobStatements.retryLater($0.id, $0.fence, "Attempt \($0.fence).", 0.0, 0) }
            try await attempts(Array(repeating: ending, count: 25), of: job, in: fixture)
            let history = try await fixture.entry(job).history
            #expect(history.map(\.fence) == Array(6...25))
            #expect(history.last?.reason == "Attempt 25.")
        }
    }
}
