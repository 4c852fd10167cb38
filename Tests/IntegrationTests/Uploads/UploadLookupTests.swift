import Database
import Foundation
import Models
import Repositories
import TestSupport
import Testing

/// What uploads ask the database while a company has many assets.
@Suite struct UploadLookups {
    @Test("Accepting files and asking which are held reads the index, never the whole table of assets")
    func indexed() async throws {
        try await CompanyFixture.with { fixture in
            try await fixture.insertAssets(Counts.of(20_000, full: 100_000))
            // One connection, so that what is counted is what it has read.
            var settings = fixture.settings
            settings.poolSize = 1
            settings.poolBurst = 0
            let database = Database(settings: settings, logger: .quiet)
            try await withCleanup {
                let before = try await readsThrough(database)
                let assets = AssetRepository(database)
                for item in [fixture.items[0], nil] {
                    // Often enough for Postgres to try plans that do not look at the values.
                    for number in 0..<8 {
                        let new = try fixture.file(named: "\(number) \(UUID())", kind: .document)
                        let accepted = try await assets.accept(
                            [new, new],
                            on: item,
                            in: fixture.company,
                            by: fixture.user
                        )
                        #expect(accepted?.map(\.id) == [new.id, new.id])
                        let held = try await assets.held([new.file.sha256], on: item, in: fixture.company)
                        #expect(held[new.file.sha256]?.id == new.id)
                    }
                }
                #expect(try await readsThrough(database) == before)
                let assetsOfAll = Query<Value<Int>>("SELECT count(*) AS value FROM assets WHERE bytes >= 0")
                _ = try await database.first(assetsOfAll())
                #expect(try await readsThrough(database) > before, "what reads through is counted")
            } cleanUp: {
                await database.close()
            }
        }
    }

    /// How often the table of assets has been read from its beginning to its end.
    private func readsThrough(_ database: Database) async throws -> Int {
        _ = try await database.run(Query<NoRow>("SELECT pg_stat_force_next_flush()")())
        let reads = Query<Value<Int>>("SELECT seq_scan AS value FROM pg_stat_user_tables WHERE relname = 'assets'")
        return try #require(try await database.first(reads())).value
    }
}

extension CompanyFixture {
    /// Gives the company many assets, half of them of its item.
    fileprivate func insertAssets(_ count: Int) async throws {
        _ = try await database.transaction([
            Query<NoRow>(
                """
                INSERT INTO assets (id, company_id, item_id, kind, filename, content_type, volume, sha256, crc32, bytes,
                                    created_by)
                SELECT gen_random_uuid(), $1, CASE WHEN n % 2 = 0 THEN $2::uuid END, 'document', 'a.pdf',
                       'application/pdf', 'main', encode(sha256(n::text::bytea), 'hex'), 0, 1, $3
                  FROM generate_series(1, $4::integer) n
                """
            )(company, items[0], user, count),
            Query<NoRow>("ANALYZE assets")(),
        ])
    }
}
