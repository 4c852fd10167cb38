import Database
import Foundation
import Models
import Repositories
import TestSupport
import Testing

@testable import Integrity
@testable import Jobs

/// What an operator can see of jobs, and do to them.
@Suite("Jobs for the operator in a real Postgres")
struct JobRepositoryTests {
    private func fail(_ job: JobID, in fixture: CompanyFixture) async throws {
        try await fixture.fail(try await fixture.claimed(job))
    }

    private func finishedAt(_ export: ExportID, in fixture: CompanyFixture) async throws -> Date? {
        try await ExportRepository(fixture.database).find(export, in: fixture.company)?.finishedAt
    }

    @Test("Jobs are listed newest first, by kind, state and company")
    func list() async throws {
        try await CompanyFixture.with { fixture in
            let jobs = JobRepository(fixture.database)
            var images: [JobID] = []
            for _ in 1...3 { images.append(try await fixture.job()) }
            try await fail(images[0], in: fixture)
            let part = try await fixture.export().job

            #expect(try await jobs.newest(limit: 10).map(\.id) == [part] + images.reversed())
            #expect(try await jobs.newest(limit: 2).map(\.id) == [part, images[2]])
            #expect(
                try await jobs.newest(kind: .image, before: images[2], limit: 10).map(\.id) == [images[1], images[0]]
            )
            #expect(try await jobs.newest(state: .failed, limit: 10).map(\.id) == [images[0]])
            #expect(try await jobs.newest(kind: .video, limit: 10).isEmpty)
            #expect(try await jobs.newest(company: fixture.company, limit: 10).count == 4)
            #expect(try await jobs.newest(company: .new(), limit: 10).isEmpty)
        }
    }

    @Test("A job is found by its id, its asset's or its export's, and says what it is about")
    func find() async throws {
        try await CompanyFixture.with { fixture in
            let jobs = JobRepository(fixture.database)
            let image = try await fixture.job()
            let found = try #require(try await jobs.find(image.rawValue).first)
            guard case .asset(let asset, let filename, let item) = found.subject else {
                throw CompanyFixture.Unexpected(found.subject)
            }
            #expect(!filename.isEmpty)
            #expect(item == "EQ-001")
            #expect(found.company == "Company")
            #expect(try await jobs.find(asset.rawValue).map(\.id) == [image])

            let export = try await fixture.export()
            let part = try #require(try await jobs.find(export.id.rawValue).first)
            #expect(part.id == export.job)
            guard case .part(1, export.id) = part.subject else {
                throw CompanyFixture.Unexpected(part.subject)
            }
            #expect(try await jobs.find(UUID()).isEmpty)
        }
    }

    @Test("A failed job is queued again with all its attempts and announced in the next round; no other is")
    func retry() async throws {
        try await CompanyFixture.with { fixture in
            let jobs = JobRepository(fixture.database)
            let job = try await fixture.job()
            #expect(try await jobs.retry(job) == .notFailed)
            try await fail(job, in: fixture)
            #expect(try await jobs.retry(job) == .queued)
            #expect(try await fixture.row(job) == JobState(state: .queued, attempt: 0, fence: 1, progress: 0))
            #expect(try await fixture.database.run(JobStatements.due()).map(\.id) == [job])
            #expect(try await fixture.entry(job).history.map(\.reason) == ["It broke."])
            #expect(try await fixture.claim(job)?.attempt == 1)
        }
    }

    @Test("A failed part queued again opens its export again; one of an expired export is left as it was")
    func retryPart() async throws {
        try await CompanyFixture.with { fixture in
            let jobs = JobRepository(fixture.database)
            let (export, job) = try await fixture.export()
            try await fail(job, in: fixture)
            #expect(try await finishedAt(export, in: fixture) != nil)
            #expect(try await jobs.retry(job) == .queued)
            #expect(try await finishedAt(export, in: fixture) == nil)

            try await fail(job, in: fixture)
            _ = try await fixture.database.run(Query<NoRow>("UPDATE exports SET expires_at = now()")())
            #expect(try await jobs.retry(job) == .expired)
            #expect(try await fixture.row(job)?.state == .failed)
        }
    }

    @Test("A part whose export was asked for again meanwhile is not queued a second time")
    func replaced() async throws {
        try await CompanyFixture.with { fixture in
            let (_, job) = try await fixture.export()
            try await fail(job, in: fixture)
            _ = try await fixture.export()
            #expect(try await JobRepository(fixture.database).retry(job) == .replaced)
            #expect(try await fixture.row(job)?.state == .failed)
        }
    }

    @Test("A worker whose job was discarded can change nothing, and nobody gets the job")
    func discardRunning() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            let claim = try #require(try await fixture.claim(job))
            #expect(try await JobRepository(fixture.database).discard(job, reason: "Not wanted."))
            #expect(try await fixture.database.first(JobStatements.renew(job, claim.fence)) == nil)
            let error = await #expect(throws: DatabaseError.self) {
                _ = try await fixture.database.transaction([
                    JobStatements.requireLease(job, claim.fence), fixture.mark,
                    JobStatements.complete(job, claim.fence),
                ])
            }
            #expect(error?.sqlState == Lease.leaseGone)
            #expect(try await fixture.claim(job) == nil)
            #expect(try await fixture.marks() == 0)
            #expect(try await fixture.entry(job).reason == "Not wanted.")
        }
    }

    @Test("A waiting job is discarded, one that has ended is not, and an export ends with its last part")
    func discardQueued() async throws {
        try await CompanyFixture.with { fixture in
            let jobs = JobRepository(fixture.database)
            let (export, job) = try await fixture.export()
            #expect(try await jobs.discard(job, reason: "Not wanted."))
            #expect(try await finishedAt(export, in: fixture) != nil)
            #expect(try await !jobs.discard(job, reason: "Again."))
            #expect(try await fixture.entry(job).reason == "Not wanted.")
        }
    }

    @Test("All rules of the rows hold whatever the operator does")
    func sound() async throws {
        try await CompanyFixture.with { fixture in
            let jobs = JobRepository(fixture.database)
            let running = try await fixture.job()
            _ = try await fixture.claim(running)
            let queued = try await fixture.job()
            for job in [running, queued] { _ = try await jobs.discard(job, reason: "Not wanted.") }
            let (_, part) = try await fixture.export()
            try await fail(part, in: fixture)
            for job in [queued, part] { _ = try await jobs.retry(job) }
            for rule in IntegrityRule.all {
                let breaches = try await IntegrityRepository(fixture.database).breaches(of: rule, limit: 10)
                #expect(breaches.isEmpty, "\(rule.text) \(breaches.map(\.detail))")
            }
        }
    }
}
