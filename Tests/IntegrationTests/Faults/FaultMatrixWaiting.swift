import Database
import Foundation
import Models
import TestSupport
import Testing

extension TestSupport.Suite {
    /// Waits until every asset is ready; one that has failed is a wrong answer.
    func settleAll(within limit: Duration = .seconds(120)) async throws {
        let deadline = ContinuousClock.now + limit
        while true {
            let queued = try await client.send("GET", "/v1/assets?status=queued&limit=1")
            let processing = try await client.send("GET", "/v1/assets?status=processing&limit=1")
            let lists = [queued, processing]
            if lists.allSatisfy({ $0.status == 200 && $0.json["assets"].elements.isEmpty }) { break }
            try #require(ContinuousClock.now < deadline, "\(lists.map(\.json))")
            try await Task.sleep(for: .milliseconds(20))
        }
        let failed = try await client.send("GET", "/v1/assets?status=failed&limit=10").json["assets"].elements
        #expect(failed.isEmpty, "\(failed)")
    }

    /// Lets the sweeper's next round announce every job that waits, instead of half a minute after its commit.
    func announceNow() async throws {
        _ = try await database.run(
            Query<NoRow>("UPDATE jobs SET announce_at = now() WHERE state = 'queued' AND announce_at < 'infinity'")()
        )
    }

    /// How the job of an asset or a part stands.
    func job(of subject: String) async throws -> JobFixture.State {
        let job = Query<JobFixture.State>("SELECT state, attempt, fence, progress FROM jobs WHERE subject_id = $1")
        return try #require(try await database.first(job(UUID(uuidString: subject))))
    }

    /// Waits until no program works on this suite's files any more.
    func toolsEnd() async throws {
        let deadline = ContinuousClock.now + .seconds(5)
        while true {
            let left = tools
            if left.isEmpty { return }
            try #require(ContinuousClock.now < deadline, "left behind: \(left)")
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

extension Duration {
    /// Some moment before this much time has gone.
    var anyMoment: Duration { .nanoseconds(Int64.random(in: 0...Int64(self / .nanoseconds(1)))) }
}
