import Database
import Foundation
import Models
import Repositories
import TestSupport
import Testing

@testable import Jobs

/// The rules of the job's row, as the database itself enforces them.
@Suite("Jobs in a real Postgres")
struct JobTests {
    @Test("However many claim a job at once, one gets it")
    func oneClaim() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            let claims = try await withThrowingTaskGroup(of: ClaimedJob?.self) { group in
                for number in 0..<20 { group.addTask { try await fixture.claim(job, "worker \(number)") } }
                return try await group.reduce(into: [ClaimedJob]()) { if let claim = $1 { $0.append(claim) } }
            }
            #expect(claims.count == 1)
            #expect(claims.first?.attempt == 1)
            #expect(claims.first?.fence == 1)
        }
    }

    @Test("A worker whose lease ran out can change nothing once another has claimed the job")
    func staleWorker() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            let stale = try #require(try await fixture.claim(job))
            #expect(try await fixture.claim(job) == nil, "a live lease is not claimed")
            try await fixture.expireLeases()
            let fresh = try #require(try await fixture.claim(job))
            #expect(fresh.fence == stale.fence + 1)
            #expect(fresh.attempt == 2)

            #expect(try await fixture.database.first(JobStatements.renew(job, stale.fence)) == nil)
            _ = try await fixture.database.run(JobStatements.progress(job, stale.fence, 0.9))
            for ending in [
                JobStatements.complete(job, stale.fence), JobStatements.fail(job, stale.fence, "no"),
                JobStatements.retryLater(job, stale.fence, "no", 1.0, 0), JobStatements.handBack(job, stale.fence),
            ] {
                let error = await #expect(throws: DatabaseError.self) {
                    _ = try await fixture.database.transaction([
                        JobStatements.requireLease(job, stale.fence), fixture.mark, ending,
                    ])
                }
                #expect(error?.sqlState == Lease.leaseGone)
            }
            let row = try await fixture.row(job)
            #expect(row == JobState(state: .running, attempt: 2, fence: 2, progress: 0))
            #expect(try await fixture.marks() == 0, "what stood in the stale transaction was not rolled back")

            _ = try await fixture.database.transaction([
                JobStatements.requireLease(job, fresh.fence), fixture.mark, JobStatements.complete(job, fresh.fence),
            ])
            #expect(try await fixture.row(job)?.state == .done)
            #expect(try await fixture.marks() == 1)
        }
    }

    @Test("A finished job is never claimed again")
    func finished() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            let claim = try #require(try await fixture.claim(job))
            _ = try await fixture.database.run(JobStatements.complete(job, claim.fence))
            try await fixture.expireLeases()
            #expect(try await fixture.claim(job) == nil)
            #expect(try await fixture.database.run(JobStatements.due()).isEmpty)
        }
    }

    @Test("A job that failed for now waits for its time; one handed back does not, and is not charged")
    func puttingBack() async throws {
        try await CompanyFixture.with { fixture in
            let later = try await fixture.job()
            let failed = try #require(try await fixture.claim(later))
            _ = try await fixture.database.run(JobStatements.retryLater(later, failed.fence, "disk full", 3600.0, 0))
            #expect(try await fixture.claim(later) == nil)
            #expect(try await fixture.row(later)?.attempt == 1)

            let soon = try await fixture.job()
            let handed = try #require(try await fixture.claim(soon))
            _ = try await fixture.database.run(JobStatements.handBack(soon, handed.fence))
            #expect(try await fixture.row(soon)?.attempt == 0)
            #expect(try await fixture.claim(soon)?.attempt == 1)
        }
    }

    @Test("The sweep finds what is due: unconfirmed, or running without a lease; and no two sweeps find the same")
    func sweep() async throws {
        try await CompanyFixture.with { fixture in
            let confirmed = try await fixture.job()
            _ = try await fixture.database.run(JobStatements.confirm([confirmed], [0 as Int64]))
            let fresh = try await fixture.job()
            #expect(try await fixture.database.run(JobStatements.due()).isEmpty, "its announcement is under way")

            var due: Set<JobID> = [fresh]
            let abandoned = try await fixture.job()
            _ = try await fixture.claim(abandoned)
            due.insert(abandoned)
            for _ in 0..<200 { due.insert(try await fixture.job()) }
            try await fixture.expireLeases()
            try await fixture.passTime(to: due)
            let found = try await withThrowingTaskGroup(of: [JobRow].self) { group in
                for _ in 0..<8 { group.addTask { try await fixture.database.run(JobStatements.due()) } }
                return try await group.reduce(into: []) { $0 += $1.map(\.id) }
            }
            #expect(found.count == due.count)
            #expect(Set(found) == due)
        }
    }

    @Test("The broker's late confirm of an attempt's announcement does not stand for the next attempt's")
    func lateConfirm() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            let claim = try #require(try await fixture.claim(job))
            _ = try await fixture.database.run(JobStatements.retryLater(job, claim.fence, "not now", 0.0, 0))
            _ = try await fixture.database.run(JobStatements.confirm([job], [0 as Int64]))
            #expect(try await fixture.database.run(JobStatements.due()).map(\.id) == [job])
        }
    }

    @Test("A file whose item is deleted as it is persisted is refused, or deleted with it")
    func deletedItem() async throws {
        let restore = Query<NoRow>("UPDATE items SET deleted_at = NULL WHERE id = $1")
        let delete = Query<NoRow>("UPDATE items SET deleted_at = now() WHERE id = $1")
        let deleteAssets = Query<NoRow>(
            "UPDATE assets SET deleted_at = now() WHERE item_id = $1 AND deleted_at IS NULL"
        )
        let live = Query<Value<Int>>("SELECT count(*) AS value FROM assets WHERE item_id = $1 AND deleted_at IS NULL")
        try await CompanyFixture.with { fixture in
            let item = fixture.items[0]
            for round in 0..<20 {
                _ = try await fixture.database.run(restore(item))
                let new = try fixture.file(named: "\(round).jpg")
                async let deleted = fixture.database.transaction([delete(item), deleteAssets(item)])
                let accepted = try await AssetRepository(fixture.database).accept(
                    [new],
                    on: item,
                    in: fixture.company,
                    by: fixture.user
                )
                _ = try await deleted
                #expect(try await fixture.database.first(live(item))?.value == 0)
                #expect(accepted == nil || accepted?.map(\.id) == [new.id])
            }
            let gone = try await AssetRepository(fixture.database).accept(
                [try fixture.file(named: "late.jpg")],
                on: item,
                in: fixture.company,
                by: fixture.user
            )
            #expect(gone == nil)
        }
    }

    @Test("The same bytes on the same item are one asset with one job, however often and however much at once")
    func duplicates() async throws {
        try await CompanyFixture.with { fixture in
            let names = ["a.jpg", "b.jpg", "c.jpg"]
            let accepted = try await withThrowingTaskGroup(of: [Asset].self) { group in
                for number in 0..<20 {
                    group.addTask {
                        // Each sends the three files in an order of its own.
                        let files = try (0..<3).map { try fixture.file(named: names[($0 + number) % 3]) }
                        return try await fixture.accept(files)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(accepted.joined().map(\.id)).count == 3)
            #expect(accepted.allSatisfy { Set($0.map(\.id)).count == 3 })
            let count = try await fixture.database.first(Query<Value<Int>>("SELECT count(*) AS value FROM jobs")())
            #expect(count?.value == 3)
        }
    }
}
