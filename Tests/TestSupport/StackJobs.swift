public import Database
import Foundation
public import Models
import Testing

/// Jobs as the database has them, and what lets their time pass.
extension TestStack {
    /// How the job of an asset or of a part stands.
    public func job(of subject: String) async throws -> JobState {
        let job = Query<JobState>("SELECT state, attempt, fence, progress FROM jobs WHERE subject_id = $1")
        return try #require(try await database.first(job(UUID(uuidString: subject))))
    }

    /// How the job of an export's only part stands.
    public func job(ofPartOf export: String) async throws -> JobState {
        let job = Query<JobState>(
            """
            SELECT j.state, j.attempt, j.fence, j.progress FROM jobs j JOIN export_parts p ON p.id = j.subject_id
             WHERE p.export_id = $1
            """
        )
        return try #require(try await database.first(job(UUID(uuidString: export))))
    }

    /// Jobs that have neither succeeded nor failed.
    public var unfinishedJobs: Int {
        get async throws {
            let unfinished = Query<Value<Int>>(
                "SELECT count(*) AS value FROM jobs WHERE state IN ('queued', 'running')"
            )
            return try #require(try await database.first(unfinished())).value
        }
    }

    /// Waits until every asset is ready; one that has failed is a wrong answer.
    public func settleAll(within limit: Duration = .seconds(120)) async throws {
        try await eventually("every asset settles", within: limit) {
            for status in ["queued", "processing"] {
                let list = try await client.send("GET", "/v1/assets?status=\(status)&limit=1")
                guard list.status == 200, list.json["assets"].elements.isEmpty else { return false }
            }
            return true
        }
        let failed = try await client.json("/v1/assets?status=failed&limit=10")["assets"].elements
        #expect(failed.isEmpty, "\(failed)")
    }

    /// Lets the leases of a killed worker end now, and the sweeper see it in its next round.
    public func endLeases() async throws {
        _ = try await database.run(
            Query<NoRow>(
                "UPDATE jobs SET lease_until = now() - interval '1 s', announce_at = now() WHERE state = 'running'"
            )()
        )
    }

    /// Lets the sweeper's next round announce every job that waits, instead of half a minute after its commit.
    public func announceNow() async throws {
        _ = try await database.run(
            Query<NoRow>("UPDATE jobs SET announce_at = now() WHERE state = 'queued' AND announce_at < 'infinity'")()
        )
    }
}

/// What a job's row says of its attempts.
public struct JobState: Equatable, RowDecodable {
    public let state: Job.State
    public let attempt: Int
    public let fence: Int64
    public let progress: Double

    public init(state: Job.State, attempt: Int, fence: Int64, progress: Double) {
        self.state = state
        self.attempt = attempt
        self.fence = fence
        self.progress = progress
    }

    public init(from row: borrowing Row) throws(DatabaseError) {
        state = try row["state"]
        attempt = try row["attempt"]
        fence = try row["fence"]
        progress = try row["progress"]
    }
}
