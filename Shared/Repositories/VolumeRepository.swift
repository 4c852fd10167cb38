public import Database

/// The names of the volumes that were ever used.
public struct VolumeRepository: Sendable {
    private let database: Database

    /// Reads and writes through a pool.
    public init(_ database: Database) {
        self.database = database
    }

    /// All of them.
    public func names() async throws(DatabaseError) -> Set<String> {
        Set(try await database.run(Self.all()).map(\.name))
    }

    /// Remembers volumes that are in use.
    public func remember(_ names: [String]) async throws(DatabaseError) {
        _ = try await database.run(Self.insert(names))
    }

    private static let all = Query<VolumeName>("SELECT name FROM volumes")
    private static let insert = Query<NoRow>(
        "INSERT INTO volumes (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING"
    )
}

private struct VolumeName: RowDecodable {
    let name: String

    init(from row: borrowing Row) throws(DatabaseError) { name = try row["name"] }
}
