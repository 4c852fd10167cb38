public import Database
public import Foundation
public import Models

/// A job as the announcer needs it.
public struct JobRow: Hashable, Sendable, RowDecodable {
    /// The job.
    public let id: JobID
    /// Which queue it goes to.
    public let kind: Job.Kind
    /// As it stood when the job was to be announced: the announcement is for that attempt and no later one.
    let fence: Int64

    /// Names a job whose row was just written.
    public init(id: JobID, kind: Job.Kind) {
        self.id = id
        self.kind = kind
        fence = 0
    }

    /// Reads `id`, `kind` and `fence`.
    public init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        kind = try row["kind"]
        fence = try row["fence"]
    }
}

/// A job this process holds the lease of.
public struct ClaimedJob: Sendable, RowDecodable {
    /// The job.
    public let id: JobID
    /// What kind of work.
    public let kind: Job.Kind
    /// What it is about: an asset, a part.
    public let subject: UUID
    /// Counts from 1. It counted before the work began, so an attempt that killed its worker counts too.
    public let attempt: Int
    /// How many attempts it may have.
    public let maximumAttempts: Int
    /// Stands in every path this attempt writes and every statement it sends.
    public let fence: Int64

    /// Reads the row a claim returns.
    public init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        kind = try row["kind"]
        subject = try row["subject_id"]
        attempt = try row["attempt"]
        maximumAttempts = try row["max_attempts"]
        fence = try row["fence"]
    }
}

struct JobOutcome: RowDecodable {
    let state: Job.State

    init(from row: borrowing Row) throws(DatabaseError) { state = try row["state"] }
}

struct OverdueKind: RowDecodable {
    let kind: Job.Kind

    init(from row: borrowing Row) throws(DatabaseError) { kind = try row["kind"] }
}
