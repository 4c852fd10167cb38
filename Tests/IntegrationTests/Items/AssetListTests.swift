import Database
import Foundation
import Models
import Repositories
import TestSupport
import Testing

@Suite("Lists of assets in a real Postgres")
struct AssetListTests {
    /// As the test wrote them, newest first.
    private struct Written {
        let id: AssetID
        let item: ItemID?
        let kind: Asset.Kind
        let status: Asset.Status
        let isDeleted: Bool
    }

    @Test("Every filter and every two of them give just those, newest first, in pages of any length")
    func filters() async throws {
        try await CompanyFixture.with(items: 3) { fixture in
            let written = try await write(300, fixture)
            _ = try await write(300, try await otherCompany(beside: fixture), items: [], fixture)
            let assets = AssetRepository(fixture.database)
            for item in [nil, fixture.items[0]] {
                for kind in [nil] + Asset.Kind.allCases.map(Optional.some) {
                    for status in [nil] + Asset.Status.allCases.map(Optional.some) {
                        let wanted = written.filter { asset in
                            !asset.isDeleted && asset.item == item ?? asset.item && asset.kind == kind ?? asset.kind
                                && asset.status == status ?? asset.status
                        }
                        for limit in [1, 51, 201] {
                            var found: [Asset] = []
                            for _ in 0..<3 {
                                found += try await assets.page(
                                    in: fixture.company,
                                    item: item,
                                    kind: kind,
                                    status: status,
                                    before: found.last?.id,
                                    limit: limit
                                )
                            }
                            let comment: Comment = "\(item), \(kind), \(status), \(limit)"
                            #expect(found.map(\.id) == wanted.prefix(3 * limit).map(\.id), comment)
                            #expect(found.map(\.status) == wanted.prefix(3 * limit).map(\.status), comment)
                        }
                    }
                }
            }
        }
    }

    private func write(_ count: Int, _ fixture: CompanyFixture) async throws -> [Written] {
        try await write(count, fixture.company, items: fixture.items, fixture)
    }

    private func write(_ count: Int, _ company: CompanyID, items: [ItemID], _ fixture: CompanyFixture) async throws
        -> [Written]
    {
        let asset = Query<NoRow>(
            """
            INSERT INTO assets (id, company_id, item_id, kind, filename, content_type, volume, sha256, crc32, bytes,
                                created_by, deleted_at, processed_at)
            VALUES ($1, $2, $3, $4, '', '', 'main', encode(sha256(uuid_send($1)), 'hex'), 0, 0, $5,
                    CASE WHEN $6 THEN now() END, CASE WHEN $7 THEN now() END)
            """
        )
        let job = Query<NoRow>(
            "INSERT INTO jobs (id, kind, subject_id, company_id, state) VALUES ($1, $2, $3, $4, $5)"
        )
        var written: [Written] = []
        for number in 0..<count {
            let kind = Asset.Kind.allCases[number % 3]
            let status = kind == .document ? .ready : Asset.Status.allCases[number / 3 % 4]
            let new = Written(
                id: .new(),
                item: items.isEmpty ? nil : items[number / 12 % items.count],
                kind: kind,
                status: status,
                isDeleted: number % 11 == 0
            )
            // Some have been ready before.
            let isProcessed = kind != .document && (status == .ready || number % 2 == 0)
            var statements: [any AnyStatement] = [
                asset(new.id, company, new.item, kind, fixture.user, new.isDeleted, isProcessed)
            ]
            let states: [Asset.Status: String] = [
                .queued: "queued", .processing: "running", .failed: "failed", .ready: "done",
            ]
            if kind != .document {
                statements.append(job(JobID.new(), "media.\(kind.rawValue)", new.id.rawValue, company, states[status]))
            }
            _ = try await fixture.database.transaction(statements)
            written.append(new)
        }
        return written.sorted { $0.id.rawValue.uuidString > $1.id.rawValue.uuidString }
    }

    private func otherCompany(beside fixture: CompanyFixture) async throws -> CompanyID {
        let company = CompanyID.new()
        _ = try await fixture.database.run(
            Query<NoRow>("INSERT INTO companies (id, name) VALUES ($1, 'Other')")(company)
        )
        return company
    }
}
