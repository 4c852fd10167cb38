public import Database
import Foundation
public import Jobs
public import Telemetry

extension Heartbeat {
    public init(_ context: ServiceContext, database: Database, work: WorkInProgress? = nil) {
        let instances = InstanceRepository(database: database)
        self.init(
            service: context.service,
            settings: context.settings,
            logger: context.logger,
            work: { work?.lines ?? [] },
            send: { try await instances.record($0) }
        )
    }
}

/// Every running process, as it last reported itself.
struct InstanceRepository: Sendable {
    let database: Database

    /// Also deletes those that have been silent for an hour.
    func record(_ report: InstanceReport) async throws(DatabaseError) {
        _ = try await database.transaction([
            Self.upsert(
                report.id,
                report.service,
                report.version,
                report.host,
                report.pid,
                report.memoryBytes,
                JSON(report.work),
                report.startedAt
            ),
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
