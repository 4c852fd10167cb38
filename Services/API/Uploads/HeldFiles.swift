import Database
import Models

/// Which files an item, or the company itself, holds already.
struct HeldFiles: Sendable {
    let database: Database

    /// The assets with these bytes; nothing of any other item or company.
    func find(
        _ digests: [SHA256Digest],
        on item: ItemID?,
        in company: CompanyID
    ) async throws(DatabaseError) -> [SHA256Digest: Asset] {
        let digests = digests.map(\.description)
        let held =
            if let item {
                try await database.run(Self.onItem(company, item, digests))
            } else {
                try await database.run(Self.inCompany(company, digests))
            }
        return Dictionary(held.map { ($0.original.sha256, $0) }) { first, _ in first }
    }

    // Two statements, so that each is a search in the index over company, item and content.
    private static let onItem = Query<Asset>(
        "SELECT * FROM asset_details WHERE company_id = $1 AND item_id = $2 AND sha256 = ANY ($3::text[])"
    )
    private static let inCompany = Query<Asset>(
        "SELECT * FROM asset_details WHERE company_id = $1 AND item_id IS NULL AND sha256 = ANY ($2::text[])"
    )
}
