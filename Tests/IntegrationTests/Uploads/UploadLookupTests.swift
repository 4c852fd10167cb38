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
        try await withDatabase { settings in
            var settings = settings
            // One connection, so that what is counted is what it has read.
            settings.poolSize = 1
            settings.poolBurst = 0
            _ = try await Migrations.apply(to: settings, logger: .quiet)
            let database = Database(settings: settings, logger: .quiet)
            let shop = try await Shop(database, assets: Counts.of(20_000, full: 100_000))
            let before = try await shop.readsThrough
            let assets = AssetRepository(database)
            for item in [shop.item, nil] {
                // Often enough for Postgres to try plans that do not look at the values.
                for number in 0..<8 {
                    let new = try NewAsset.document(number)
                    let accepted = try await assets.accept([new, new], on: item, in: shop.company, by: shop.user)
                    #expect(accepted.map(\.id) == [new.id, new.id])
                    let held = try await assets.held([new.file.sha256], on: item, in: shop.company)
                    #expect(held[new.file.sha256]?.id == new.id)
                }
            }
            #expect(try await shop.readsThrough == before)
            await database.close()
        }
    }
}

/// A company with many assets of one item, and of its own.
private struct Shop {
    let company = CompanyID.new()
    let user = UserID.new()
    let item = ItemID.new()
    private let database: Database

    init(_ database: Database, assets: Int) async throws {
        self.database = database
        _ = try await database.transaction([
            Query<NoRow>("INSERT INTO companies (id, name) VALUES ($1, 'Demo')")(company),
            Query<NoRow>(
                "INSERT INTO users (id, company_id, email, password_hash, role) VALUES ($1, $2, 'a', '', 'admin')"
            )(user, company),
            Query<NoRow>("INSERT INTO items (id, company_id, code, name, kind) VALUES ($1, $2, 'EQ', 'EQ', '')")(
                item,
                company
            ),
            Query<NoRow>(
                """
                INSERT INTO assets (id, company_id, item_id, kind, filename, content_type, volume, sha256, crc32, bytes,
                                    created_by)
                SELECT gen_random_uuid(), $1, CASE WHEN n % 2 = 0 THEN $2::uuid END, 'document', 'a.pdf',
                       'application/pdf', 'main', encode(sha256(n::text::bytea), 'hex'), 0, 1, $3
                  FROM generate_series(1, $4::integer) n
                """
            )(company, item, user, assets),
            Query<NoRow>("ANALYZE assets")(),
        ])
    }

    /// How often the table of assets has been read from its beginning to its end.
    var readsThrough: Int {
        get async throws {
            _ = try await database.run(Query<NoRow>("SELECT pg_stat_force_next_flush()")())
            let reads = try await database.first(
                Query<Value<Int>>("SELECT seq_scan AS value FROM pg_stat_user_tables WHERE relname = 'assets'")()
            )
            return try #require(reads).value
        }
    }
}

extension NewAsset {
    fileprivate static func document(_ number: Int) throws -> NewAsset {
        let digest = try #require(SHA256Digest(bytes: (0..<32).map { _ in UInt8.random(in: 0...255) }))
        return NewAsset(
            kind: .document,
            filename: "\(number).pdf",
            contentType: "application/pdf",
            file: StoredFile(volume: "main", sha256: digest, crc32: 0, bytes: 1)
        )
    }
}
