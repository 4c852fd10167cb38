public import Database
public import Foundation

/// Every running process, as it last reported itself.
public struct InstanceRepository: Sendable {
    private let database: Database

    /// Writes through a pool.
    public init(_ database: Database) {
        self.database = database
    }

    /// Records that a process is there and what it does, and forgets those that have been silent for an hour.
    public func report(
        id: String,
        service: String,
        version: String,
        host: String,
        processID: Int32,
        memoryBytes: Int64,
        work: [String],
        startedAt: Date
    ) async throws(DatabaseError) {
        _ = try await database.transaction([
            Self.upsert(id, service, version, host, processID, memoryBytes, JSON(work), startedAt),
            Self.forget(),
        ])
    }

    private static let upsert = Query<NoRow>(
        """
        INSERT INTO instances (id, service, version, host, process_id, memory_bytes, work, started_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (id) DO UPDATE
           SET service = excluded.service, version = excluded.version, host = excluded.host,
               process_id = excluded.process_id, memory_bytes = excluded.memory_bytes, work = excluded.work,
               started_at = excluded.started_at, seen_at = now()
        """
    )
    private static let forget = Query<NoRow>("DELETE FROM instances WHERE seen_at < now() - interval '1 hour'")
}
