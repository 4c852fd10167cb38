import Database
import TestSupport
import Testing

extension TestSupport.Suite {
    /// No file is on the volume, no asset and no job in the database.
    func expectNothingStored(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        #expect(files.isEmpty, sourceLocation: sourceLocation)
        let count = try await database.first(
            Query<Count>("SELECT (SELECT count(*) FROM assets) + (SELECT count(*) FROM jobs) AS rows")()
        )
        #expect(count?.rows == 0, sourceLocation: sourceLocation)
    }
}

private struct Count: RowDecodable {
    let rows: Int

    init(from row: borrowing Row) throws(DatabaseError) { rows = try row["rows"] }
}
