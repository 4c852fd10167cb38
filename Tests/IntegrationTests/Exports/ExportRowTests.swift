import Database
import Foundation
import Models
import Repositories
import TestSupport
import Testing

@testable import API
@testable import Jobs
@testable import ZipWorker

/// The rules of an export's rows, as the database itself enforces them.
@Suite("Exports in a real Postgres")
struct ExportRowTests {
    @Test("However many ask for the same at once, there is one export")
    func oneExport() async throws {
        try await CompanyFixture.with(items: 69) { fixture in
            try await fixture.fillItems()
            let answers = try await withThrowingTaskGroup(of: ExportAnswer.self) { group in
                for _ in 0..<200 { group.addTask { try await fixture.request() } }
                return try await group.reduce(into: [ExportAnswer]()) { $0.append($1) }
            }
            var added: [Export] = []
            var existing: [Export] = []
            for answer in answers {
                switch answer {
                case .added(let export, let jobs):
                    added.append(export)
                    #expect(jobs.count == 2)
                case .existing(let export): existing.append(export)
                default: Issue.record("\(answer)")
                }
            }
            #expect(added.count == 1)
            #expect(existing.count == 199)
            #expect(Set(existing.map(\.id)) == Set(added.map(\.id)))
            #expect(added.first?.parts.map(\.items) == [35, 34])
            #expect(added.first?.status == .queued)
        }
    }

    @Test("What changes the archives makes another export; what does not, does not")
    func fingerprint() async throws {
        try await CompanyFixture.with(items: 3) { fixture in
            let photo = try await fixture.upload("a.jpg", to: fixture.items[0])
            let first = try await fixture.requested().export
            #expect(try await fixture.requested().export.id == first.id)
            let ids = fixture.items.reversed() + fixture.items
            #expect(try await fixture.requested(fixture.order(.items(ids))).export.id == first.id, "the same items")
            // The rendition of a photo is no part of an archive of originals.
            _ = try await fixture.database.transaction([AssetRepository.add(.thumbnail, to: photo)])
            #expect(try await fixture.requested().export.id == first.id)

            var seen: Set<ExportID> = [first.id]
            func expectAnother(_ order: ExportOrder?, _ comment: Comment) async throws {
                let export = try await fixture.requested(order).export
                #expect(seen.insert(export.id).inserted, comment)
                _ = try await fixture.exports.delete(export.id, in: fixture.company)
            }
            try await expectAnother(fixture.order(.items([fixture.items[0]])), "fewer items")
            try await expectAnother(fixture.order(.filter(words: nil, kind: "first")), "fewer items by a filter")
            try await expectAnother(fixture.order(.all, .init(media: .both)), "other media")
            try await expectAnother(fixture.order(.all, .init(procedures: false)), "no procedures")
            try await expectAnother(fixture.order(.all, .init(language: .es)), "another language")
            var smaller = fixture.order()
            smaller.itemsPerPart = 1
            try await expectAnother(smaller, "smaller parts")
            let second = try await fixture.upload("b.jpg", to: fixture.items[1])
            try await expectAnother(nil, "another photo")
            _ = try await AssetRepository(fixture.database).delete(second, in: fixture.company)
            #expect(try await fixture.requested().export.id == first.id, "the photo has gone again")
            _ = try await fixture.upload("p.pdf", to: nil, kind: .document)
            try await expectAnother(nil, "another procedure")
            let changes = ItemChanges(code: nil, name: "Other", kind: nil, attributes: nil)
            _ = try await ItemRepository(fixture.database).update(fixture.items[2], changes, in: fixture.company)
            try await expectAnother(nil, "an item's name")
        }
    }

    @Test("An export ends with its last part, also when two parts end in the same moment")
    func lastPart() async throws {
        try await CompanyFixture.with(items: 40) { fixture in
            try await fixture.fillItems()
            for round in 0..<10 {
                var order = fixture.order()
                order.itemsPerPart = 10 + round
                let (export, jobs) = try await fixture.requested(order)
                var claims: [ClaimedJob] = []
                for job in jobs { claims.append(try await fixture.claimed(job)) }
                #expect(try await fixture.find(export.id)?.status == .processing)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for claim in claims { group.addTask { try await fixture.complete(claim) } }
                    try await group.waitForAll()
                }
                let finished = try #require(try await fixture.find(export.id))
                #expect(finished.status == .ready)
                #expect(finished.expiresAt != nil)
                #expect(finished.parts.allSatisfy { $0.archive?.bytes == 10 })
            }
        }
    }

    @Test("A finished export is offered again while it lives; a failed or expired one is not")
    func offeredAgain() async throws {
        try await CompanyFixture.with(items: 3) { fixture in
            let (first, jobs) = try await fixture.requested()
            try await fixture.complete(try await fixture.claimed(jobs[0]))
            #expect(try await fixture.requested().export.id == first.id)
            try await fixture.expire(first.id)
            let expired = try #require(try await fixture.find(first.id))
            #expect(expired.status == .expired)
            #expect(expired.parts.allSatisfy { $0.status == .expired && $0.archive == nil })

            let (second, more) = try await fixture.requested()
            #expect(second.id != first.id)
            try await fixture.fail(try await fixture.claimed(more[0]))
            let failed = try #require(try await fixture.find(second.id))
            #expect(failed.status == .failed)
            #expect(failed.parts[0].error == "It broke.")
            #expect(try await fixture.requested().export.id != second.id)
        }
    }

    @Test("A deleted export is out of sight, and the worker that was building it can complete nothing")
    func deleted() async throws {
        try await CompanyFixture.with(items: 3) { fixture in
            let (export, jobs) = try await fixture.requested()
            let claim = try await fixture.claimed(jobs[0])
            #expect(try await fixture.exports.delete(export.id, in: CompanyID.new()) == false, "another company's")
            #expect(try await fixture.exports.delete(export.id, in: fixture.company))
            #expect(try await fixture.exports.delete(export.id, in: fixture.company) == false)
            #expect(try await fixture.find(export.id) == nil)
            let source = try await ExportPartRepository(fixture.database).source(ExportPartID(rawValue: claim.subject))
            #expect(source == nil)
            let error = await #expect(throws: DatabaseError.self) { try await fixture.complete(claim) }
            #expect(error?.sqlState == Lease.leaseGone)
            #expect(try await fixture.requested().export.id != export.id)
        }
    }

    @Test("Only what is due is cleaned, and a deleted export's rows go with its files")
    func cleaned() async throws {
        try await CompanyFixture.with(items: 3) { fixture in
            let (kept, jobs) = try await fixture.requested()
            try await fixture.complete(try await fixture.claimed(jobs[0]))
            #expect(try await ExportUpkeepRepository(fixture.database).due(limit: 10).isEmpty)
            #expect(
                try await ExportUpkeepRepository(fixture.database).clean(kept.id) {
                    Issue.record("its files were removed")
                } == false
            )
            try await fixture.expire(kept.id)
            #expect(try await ExportUpkeepRepository(fixture.database).due(limit: 10).map(\.id) == [kept.id])
            // Files that could not be removed stay due.
            await #expect(throws: CancellationError.self) {
                _ = try await ExportUpkeepRepository(fixture.database).clean(kept.id) { throw CancellationError() }
            }
            #expect(try await ExportUpkeepRepository(fixture.database).due(limit: 10).count == 1)
            #expect(try await ExportUpkeepRepository(fixture.database).clean(kept.id) {})
            #expect(try await ExportUpkeepRepository(fixture.database).due(limit: 10).isEmpty)
            #expect(try await fixture.find(kept.id)?.status == .expired)
            #expect(try await ExportUpkeepRepository(fixture.database).forget(olderThan: .seconds(3600)) == 0)
            #expect(try await ExportUpkeepRepository(fixture.database).forget(olderThan: .seconds(0)) == 1)
            #expect(try await fixture.find(kept.id) == nil)

            let deleted = try await fixture.requested().export
            _ = try await fixture.exports.delete(deleted.id, in: fixture.company)
            #expect(try await ExportUpkeepRepository(fixture.database).due(limit: 10).map(\.isDeleted) == [true])
            #expect(try await ExportUpkeepRepository(fixture.database).clean(deleted.id) {})
            #expect(try await ExportUpkeepRepository(fixture.database).due(limit: 10).isEmpty)
        }
    }

    @Test("The operator queues failed parts again, and all parts of an expired export")
    func requeued() async throws {
        try await CompanyFixture.with(items: 70) { fixture in
            try await fixture.fillItems()
            let (export, jobs) = try await fixture.requested()
            try await fixture.complete(try await fixture.claimed(jobs[0]))
            try await fixture.fail(try await fixture.claimed(jobs[1]))
            guard case .parts(1) = try await ExportUpkeepRepository(fixture.database).requeue(export.id) else {
                Issue.record("one part had failed")
                return
            }
            guard case .nothing = try await ExportUpkeepRepository(fixture.database).requeue(export.id) else {
                Issue.record("nothing has ended since")
                return
            }
            #expect(try await fixture.find(export.id)?.parts.map(\.status) == [.ready, .queued])
            try await fixture.complete(try await fixture.claimed(jobs[1]))
            #expect(try await fixture.find(export.id)?.status == .ready)

            try await fixture.expire(export.id)
            let other = try await fixture.requested().export
            guard case .replaced = try await ExportUpkeepRepository(fixture.database).requeue(export.id) else {
                Issue.record("the same is being built already")
                return
            }
            _ = try await fixture.exports.delete(other.id, in: fixture.company)
            let upkeep = ExportUpkeepRepository(fixture.database)
            guard case .tooManyUnfinished = try await upkeep.requeue(export.id, maximumUnfinished: 0) else {
                Issue.record("it would be one too many")
                return
            }
            #expect(try await fixture.find(export.id)?.status == .expired, "and nothing of it is queued")
            guard case .parts(2) = try await ExportUpkeepRepository(fixture.database).requeue(export.id) else {
                Issue.record("both archives have gone")
                return
            }
        }
    }

    @Test("Waiting for something outside charges no attempt, and says what it waits for")
    func postponed() async throws {
        try await CompanyFixture.with(items: 3) { fixture in
            let (export, jobs) = try await fixture.requested()
            for _ in 1...10 {
                let claim = try await fixture.claimed(jobs[0])
                #expect(claim.attempt == 1)
                _ = try await fixture.database.transaction([
                    JobStatements.requireLease(claim.id, claim.fence),
                    JobStatements.retryLater(claim.id, claim.fence, "No room.", 0.0, 1),
                ])
            }
            let part = try await fixture.find(export.id)?.parts.first
            #expect(part?.status == .queued)
            #expect(part?.error == "No room.")
            _ = try await fixture.claimed(jobs[0])
            #expect(
                try await fixture.find(export.id)?.parts.first?.error == nil,
                "the attempt under way has met nothing"
            )
        }
    }

    @Test("A place in the queue counts the company's exports that nobody has begun")
    func position() async throws {
        try await CompanyFixture.with(items: 3) { fixture in
            let (first, jobs) = try await fixture.requested()
            let second = try await fixture.requested(fixture.order(.all, .init(media: .both))).export
            #expect(first.positionInQueue == 1)
            #expect(second.positionInQueue == 2)
            _ = try await fixture.claimed(jobs[0])
            #expect(try await fixture.find(first.id)?.positionInQueue == nil)
            #expect(try await fixture.find(second.id)?.positionInQueue == 1)
        }
    }

    @Test("What cannot be exported is refused with its reason, and nothing is recorded")
    func refused() async throws {
        try await CompanyFixture.with(items: 3) { fixture in
            let stranger = ItemID.new()
            guard
                case .unknownItems(let unknown) = try await fixture.request(
                    fixture.order(.items([fixture.items[0], stranger]))
                ), unknown == [stranger]
            else {
                Issue.record("an item nobody has")
                return
            }
            guard
                case .noItems = try await fixture.request(
                    fixture.order(.filter(words: SearchWords("nothing"), kind: nil))
                )
            else {
                Issue.record("no items")
                return
            }
            var small = fixture.order()
            small.maximumItems = 2
            guard case .tooManyItems = try await fixture.request(small) else {
                Issue.record("three items where two are the limit")
                return
            }
            #expect(
                try await fixture.exports.page(in: fixture.company, status: nil, before: nil, limit: 9).isEmpty
            )
            var patient = fixture.order()
            patient.maximumUnfinished = 1
            let first = try await fixture.requested(patient).export
            #expect(try await fixture.requested(patient).export.id == first.id, "the same is no second one")
            patient.options.media = .both
            guard case .tooManyUnfinished = try await fixture.request(patient) else {
                Issue.record("a second unfinished export where one is the limit")
                return
            }
        }
    }
}

extension CompanyFixture {
    /// A new asset of an item, or of the company.
    fileprivate func upload(_ name: String, to item: ItemID?, kind: Asset.Kind = .image) async throws -> AssetID {
        try #require(try await accept([try file(named: name, kind: kind)], on: item).first?.id)
    }

    /// Ends a part's job with its archive.
    fileprivate func complete(_ job: ClaimedJob) async throws {
        let archive = ExportPart.Archive(
            volume: "main",
            path: "exports/\(job.subject)/\(job.fence).zip",
            bytes: 10,
            seconds: 0.5,
            problems: [],
            problemCount: 0
        )
        _ = try await database.transaction([
            JobStatements.requireLease(job.id, job.fence),
            ExportPartRepository.built(archive, of: ExportPartID(rawValue: job.subject)),
            JobStatements.complete(job.id, job.fence),
        ])
    }
}

extension Rendition {
    fileprivate static let thumbnail = Rendition(
        name: "thumbnail",
        contentType: "image/jpeg",
        bytes: 1,
        width: 1,
        height: 1,
        volume: "main",
        path: "renditions/1"
    )
}
