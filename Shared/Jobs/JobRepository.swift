public import Database
public import Foundation
public import Models

/// The jobs of every company, for the operator.
public struct JobRepository: Sendable {
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

    public init(_ database: Database) {
        self.database = database
    }

    /// Newest first.
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
        guard let kind = try await connection.run(JobStatements.requeue([id.rawValue], from: [.failed])).first?.kind
        else { return .notFailed }
        guard kind == .part else { return .queued }
        guard try await connection.run(reopen(id)).first != nil else { throw Expired() }
        return .queued
    }

    /// Ends a job that waits or runs as failed. A worker that has it loses its lease: its result changes nothing, and it
    /// deletes what it has made.
    ///
    /// The reason is for the people who wait for it. False if the job had ended already, or is not there.
    public func discard(_ id: JobID, reason: String) async throws(DatabaseError) -> Bool {
        try await database.transaction([JobStatements.discard(id, reason)])[0].affected > 0
    }

    private static func newest(
        _ kind: Job.Kind?,
        _ state: Job.State?,
        _ company: CompanyID?,
        _ before: JobID?,
        _ limit: Int
    ) -> Statement<JobEntry> {
        var list = ComposedStatement<JobEntry>()
        list.add("SELECT * FROM job_details WHERE true")
        list.add("AND kind = ?", ifAny: kind)
        list.add("AND state = ?", ifAny: state)
        list.add("AND company_id = ?", ifAny: company)
        list.add("AND id < ?", ifAny: before)
        list.add("ORDER BY id DESC LIMIT ?", limit)
        return list.statement
    }

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
    private static let reopen = Query<NoRow>(
        """
        UPDATE exports e SET finished_at = NULL, expires_at = NULL
          FROM jobs j JOIN export_parts p ON p.id = j.subject_id
         WHERE j.id = $1 AND e.id = p.export_id AND e.cleaned_at IS NULL
           AND (e.expires_at IS NULL OR e.expires_at > now())
        RETURNING e.id
        """
    )
}

/// A job as the operator sees it.
public struct JobEntry: Sendable {
    public enum Subject: Sendable {
        /// An asset, with the code of its item; nil for a document of the company's own.
        case asset(AssetID, filename: String, item: String?)
        case part(number: Int, of: ExportID)
        /// Its row is gone.
        case unknown(UUID)
    }

    /// One attempt that is over.
    public struct Attempt: Sendable, Codable {
        /// Counts from 1, and again from 1 after a retry by hand.
        public let attempt: Int
        /// Counts every attempt, whatever became of it.
        public let fence: Int64
        public let worker: String?
        /// When it was claimed.
        public let startedAt: Date?
        /// When it ended, or its lease did.
        public let endedAt: Date
        public let outcome: Outcome
        /// Why, for people; nil where nothing went wrong, and where nobody could say.
        public let reason: String?

        private enum CodingKeys: String, CodingKey {
            case attempt, fence, worker, outcome, reason
            case startedAt = "started_at"
            case endedAt = "ended_at"
        }
    }

    public enum Outcome: String, Sendable, Codable {
        case completed
        /// It was the last: the fault is permanent, or the attempts are used up.
        case failed
        /// Another one follows after a while.
        case retried
        /// The work could not be begun for now; the attempt does not count.
        case postponed
        /// Its worker was told to stop; the attempt does not count.
        case handedBack = "handed back"
        /// Its worker fell silent, and another one took over.
        case leaseEnded = "lease ended"
        /// The operator ended the job under it.
        case discarded
    }

    public let id: JobID
    public let kind: Job.Kind
    public let state: Job.State
    public let subject: Subject
    /// The name of the company; nil if the subject is gone.
    public let company: String?
    /// The attempt under way, or the last one.
    public let attempt: Int
    public let maximumAttempts: Int
    /// Counts the claims.
    public let fence: Int64
    /// How far the work is, 0…1.
    public let progress: Double
    /// Why it failed, or what it waits for.
    public let reason: String?
    /// Who has it, or had it last.
    public let worker: String?
    /// Whether the broker has confirmed the message for the next attempt.
    public let isAnnounced: Bool
    /// No worker gets it before.
    public let runAfter: Date
    /// Until when its worker has it; nil if none does.
    public let leaseUntil: Date?
    public let createdAt: Date
    public let startedAt: Date?
    /// When it was done, or failed.
    public let finishedAt: Date?
    /// The last 20 of the attempts that are over, newest last.
    public let history: [Attempt]
}

extension JobEntry: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        let history: JSON<[Attempt]> = try row["history"]
        id = try row["id"]
        kind = try row["kind"]
        state = try row["state"]
        subject = try Subject(from: row)
        company = try row["company"]
        attempt = try row["attempt"]
        maximumAttempts = try row["max_attempts"]
        fence = try row["fence"]
        progress = try row["progress"]
        reason = try row["reason"]
        worker = try row["worker"]
        isAnnounced = try row["announced"]
        runAfter = try row["run_after"]
        leaseUntil = try row["lease_until"]
        createdAt = try row["created_at"]
        startedAt = try row["started_at"]
        finishedAt = try row["finished_at"]
        self.history = history.value
    }
}

extension JobEntry.Subject {
    fileprivate init(from row: borrowing Row) throws(DatabaseError) {
        let id: UUID = try row["subject_id"]
        let filename: String? = try row["filename"]
        let export: ExportID? = try row["export_id"]
        if let filename {
            self = .asset(AssetID(rawValue: id), filename: filename, item: try row["item"])
        } else if let export {
            self = .part(number: try row["part"], of: export)
        } else {
            self = .unknown(id)
        }
    }
}

extension Job.State: DatabaseValue {}

extension Job.Kind: DatabaseValue {}
