public import Database
public import Foundation
public import Models

/// The jobs of every company, for the operator.
public struct JobRepository: Sendable {
    /// What came of a wish to try a failed job again.
    public enum Retry: Sendable {
        /// It waits for a worker again, with all its attempts.
        case queued
        /// It has not failed, or is not there.
        case notFailed
        /// Its export has expired: all of its parts have to be built again.
        case expired
        /// The same export was asked for again meanwhile, and is being built as another one.
        case replaced
    }

    private struct Expired: Error {}

    private static let fingerprintIndex = "exports_unfinished"

    private let database: Database

    /// Reads and writes through a pool.
    public init(_ database: Database) {
        self.database = database
    }

    /// The newest jobs.
    ///
    /// - Parameters:
    ///   - kind: Only those of this kind.
    ///   - state: Only those that stand there.
    ///   - company: Only those of this company.
    ///   - before: Only those older than this one.
    ///   - limit: How many at most.
    /// - Returns: The jobs, newest first.
    /// - Throws: `DatabaseError`.
    public func newest(
        kind: Job.Kind? = nil,
        state: Job.State? = nil,
        company: CompanyID? = nil,
        before: JobID? = nil,
        limit: Int
    ) async throws(DatabaseError) -> [JobEntry] {
        try await database.run(Self.newest(kind, state, company, before, limit))
    }

    /// The jobs an id stands for: its own, its asset's, or those of the parts of its export, from the first.
    public func find(_ id: UUID) async throws(DatabaseError) -> [JobEntry] {
        try await database.run(Self.find(id))
    }

    /// Queues a failed job again, with all its attempts; its export is then unfinished again.
    ///
    /// The sweeper announces it within seconds.
    public func retry(_ id: JobID) async throws -> Retry {
        do {
            return try await database.withTransaction { try await Self.requeue(id, on: $0) }
        } catch is Expired {
            return .expired
        } catch let error as DatabaseError where error.isUniqueViolation(of: Self.fingerprintIndex) {
            return .replaced
        }
    }

    private static func requeue(_ id: JobID, on connection: Connection) async throws -> Retry {
        // The job first: whoever ends one locks the export after it.
        guard let kind = try await connection.run(requeue(id)).first?.kind else { return .notFailed }
        guard kind == .part else { return .queued }
        guard try await connection.run(reopen(id)).first != nil else { throw Expired() }
        return .queued
    }

    /// Ends a job that waits or runs as failed. A worker that has it loses its lease: its result changes nothing, and it
    /// deletes what it has made.
    ///
    /// - Parameters:
    ///   - id: The job.
    ///   - reason: Why, for the people who wait for it.
    /// - Returns: False if it had ended already, or is not there.
    /// - Throws: `DatabaseError`.
    public func discard(_ id: JobID, reason: String) async throws(DatabaseError) -> Bool {
        try await database.transaction([Self.discard(id, reason)])[0].affected > 0
    }

    private static let newest = Query<JobEntry>(
        """
        SELECT * FROM job_details
         WHERE ($1::text IS NULL OR kind = $1)
           AND ($2::text IS NULL OR state = $2)
           AND ($3::uuid IS NULL OR company_id = $3)
           AND ($4::uuid IS NULL OR id < $4)
         ORDER BY id DESC LIMIT $5
        """
    )
    /// Each of the three is a search in an index; with OR it would be none.
    private static let find = Query<JobEntry>(
        """
        SELECT * FROM job_details
         WHERE id IN (SELECT id FROM jobs WHERE id = $1
                      UNION SELECT id FROM jobs WHERE subject_id = $1
                      UNION SELECT j.id FROM export_parts p JOIN jobs j ON j.subject_id = p.id WHERE p.export_id = $1)
         ORDER BY part
        """
    )
    private static let requeue = Query<RequeuedJob>(
        """
        UPDATE jobs SET state = 'queued', attempt = 0, reason = NULL, progress = 0, finished_at = NULL,
               run_after = now(), announce_at = now()
         WHERE id = $1 AND state = 'failed'
        RETURNING kind
        """
    )
    private static let reopen = Query<NoRow>(
        """
        UPDATE exports e SET finished_at = NULL, expires_at = NULL
          FROM jobs j JOIN export_parts p ON p.id = j.subject_id
         WHERE j.id = $1 AND e.id = p.export_id AND e.cleaned_at IS NULL
           AND (e.expires_at IS NULL OR e.expires_at > now())
        RETURNING e.id
        """
    )
    private static let discard = Query<NoRow>(
        """
        UPDATE jobs SET state = 'failed', reason = $2, fence = fence + 1, lease_until = NULL, finished_at = now()
         WHERE id = $1 AND state IN ('queued', 'running')
        """
    )
}

private struct RequeuedJob: RowDecodable {
    let kind: Job.Kind

    init(from row: borrowing Row) throws(DatabaseError) { kind = try row["kind"] }
}
