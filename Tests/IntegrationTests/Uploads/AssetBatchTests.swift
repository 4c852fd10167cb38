import Database
import Foundation
import Models
import TestSupport
import Testing

@testable import API
@testable import Repositories

@Suite("Requests that end together, in a real Postgres")
struct AssetBatchTests {
    @Test("A hundred requests at once are committed with few transactions, and each is told of its own files")
    func together() async throws {
        try await CompanyFixture.with(items: 3) { fixture in
            let batches = AssetBatches(AssetRepository(fixture.database))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        let kind: Asset.Kind = number % 2 == 0 ? .image : .document
                        let item = number % 2 == 0 || number % 3 == 0 ? fixture.items[number % 3] : nil
                        let files = [
                            try fixture.file(named: "\(number)", kind: kind),
                            try fixture.file(named: "\(number)b", kind: kind),
                        ]
                        let assets = try #require(try await batches.accept(fixture.request(files, on: item)))
                        #expect(assets.map(\.id) == files.map(\.id))
                        for asset in assets {
                            let found = try await AssetRepository(fixture.database).find(asset.id, in: fixture.company)
                            #expect(found == asset)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let jobs = Query<Value<Int>>("SELECT count(*) AS value FROM jobs")
            #expect(try await fixture.database.first(jobs())?.value == 100)
            let transactions = Query<Value<Int>>("SELECT count(DISTINCT xmin::text) AS value FROM assets")
            let used = try #require(await fixture.database.first(transactions())?.value)
            #expect(used <= 50)
        }
    }

    @Test("What is wrong with one request fails it alone")
    func alone() async throws {
        try await CompanyFixture.with { fixture in
            let item = try #require(fixture.items.first)
            let repeated = try fixture.file(named: "there")
            _ = try await fixture.accept([repeated])
            let stranger = NewAssets(
                [try fixture.file(named: "stranger")],
                on: item,
                in: fixture.company,
                by: UserID.new()
            )
            let other = NewAssets([try fixture.file(named: "other")], on: item, in: .new(), by: fixture.user)
            let good = [try fixture.file(named: "good"), try fixture.file(named: "there")]
            let paper = try fixture.file(named: "paper", kind: .document)
            let lost = fixture.request([try fixture.file(named: "lost")], on: .new())
            let batches = AssetBatches(AssetRepository(fixture.database))
            for _ in 0..<10 {
                async let first = batches.accept(fixture.request([try fixture.file(named: "first \(UUID())")]))
                let refused = Task { try await batches.accept(stranger) }
                async let onPaper = batches.accept(fixture.request([paper]))
                async let onNothing = batches.accept(lost)
                async let onOthers = batches.accept(other)
                async let onItem = batches.accept(fixture.request(good, on: item))
                #expect(try await first?.count == 1)
                if case .success = await refused.result { Issue.record("A user who is not there has uploaded") }
                #expect(try await onPaper?.map(\.id) == [paper.id])
                #expect(try await onNothing == nil)
                #expect(try await onOthers == nil)
                #expect(try await onItem?.map(\.id) == [good[0].id, repeated.id])
            }
        }
    }

    @Test("Somebody who holds one item holds up its files and no other's")
    func held() async throws {
        try await CompanyFixture.with(items: 2) { fixture in
            let batches = AssetBatches(AssetRepository(fixture.database))
            let free = try fixture.file(named: "free")
            let waiting = try await fixture.database.withTransaction { holder in
                let lock = Query<NoRow>("SELECT FROM items WHERE id = $1 FOR UPDATE")
                _ = try await holder.run(lock(fixture.items[0]))
                let request = fixture.request([try fixture.file(named: "held")], on: fixture.items[0])
                let waiting = Task { try await batches.accept(request) }
                try await eventually("the held request waits in the server") {
                    let waits = Query<Value<Int>>(
                        """
                        SELECT count(*) AS value FROM pg_stat_activity
                         WHERE datname = current_database() AND wait_event_type = 'Lock'
                        """
                    )
                    return try await fixture.database.first(waits())?.value == 1
                }
                let passed = try await batches.accept(fixture.request([free], on: fixture.items[1]))
                #expect(passed?.map(\.id) == [free.id])
                return waiting
            }
            #expect(try await waiting.value?.count == 1)
        }
    }

    @Test("A session that another replica has ended is over within a second")
    func revoked() async throws {
        try await CompanyFixture.with { fixture in
            let (one, other) = (SessionRepository(fixture.database), SessionRepository(fixture.database))
            _ = try await one.open("hash", for: fixture.user, life: .seconds(60))
            #expect(try await one.user(of: "hash")?.id == fixture.user)
            #expect(try await other.user(of: "hash")?.id == fixture.user)
            try await one.close("hash")
            let closed = ContinuousClock.now
            #expect(try await one.user(of: "hash") == nil, "at once where it was ended")
            var asked = ContinuousClock.now
            while try await other.user(of: "hash") != nil {
                #expect(asked - closed < .seconds(1))
                asked = .now
            }
        }
    }
}
