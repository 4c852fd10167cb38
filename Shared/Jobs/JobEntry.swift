public import Database
public import Foundation
public import Models

/// A job as the operator sees it.
public struct JobEntry: Sendable {
    /// What a job is about.
    public enum Subject: Sendable {
        /// An asset, with the code of its item; nil for a document of the company's own.
        case asset(AssetID, filename: String, item: String?)
        /// A part of an export.
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
        /// Who made it.
        public let worker: String?
        /// When it was claimed.
        public let startedAt: Date?
        /// When it ended, or its lease did.
        public let endedAt: Date
        /// What became of it.
        public let outcome: Outcome
        /// Why, for people; nil where nothing went wrong, and where nobody could say.
        public let reason: String?

        private enum CodingKeys: String, CodingKey {
            case attempt, fence, worker, outcome, reason
            case startedAt = "started_at"
            case endedAt = "ended_at"
        }
    }

    /// What became of an attempt.
    public enum Outcome: String, Sendable, Codable {
        /// Its result is recorded.
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

    /// Its id.
    public let id: JobID
    /// What kind of work.
    public let kind: Job.Kind
    /// Where it stands.
    public let state: Job.State
    /// What it is about.
    public let subject: Subject
    /// The name of the company; nil if the subject is gone.
    public let company: String?
    /// The attempt under way, or the last one.
    public let attempt: Int
    /// How many it may have.
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
    /// When it was asked for.
    public let createdAt: Date
    /// When it was last claimed.
    public let startedAt: Date?
    /// When it was done, or failed.
    public let finishedAt: Date?
    /// The last 20 of the attempts that are over, newest last.
    public let history: [Attempt]
}

extension JobEntry: RowDecodable {
    /// Reads a row of the view `job_details`.
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
