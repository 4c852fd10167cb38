import Foundation
import Models
import Testing

@testable import Jobs

@Suite("Slots of a worker")
struct JobTurnsTests {
    private func job(_ lane: JobLane) -> ClaimedJob {
        ClaimedJob(
            id: .new(),
            kind: .video,
            subject: UUID(),
            attempt: 1,
            maximumAttempts: 5,
            fence: 1,
            lost: 0,
            lane: lane
        )
    }

    @Test("With one long job at work the other slot is for short ones, until the long one has ended")
    func longSlots() async throws {
        let turns = JobTurns(kind: .video, longSlots: 1)
        let film = try #require(try await turns.next { _ in job(.long) })
        let clip = try #require(
            try await turns.next { turn in
                #expect(turn.lastLane == .batch)
                return job(.awaited)
            }
        )
        #expect(!turns.ended(clip), "nobody was turned away")
        #expect(turns.ended(film), "a long one may wait without a ticket")
        _ = try await turns.next { turn in
            #expect(turn.lastLane == .background)
            return job(.awaited)
        }
        _ = try await turns.next { turn in
            #expect(turn.lastLane == .background, "a short one does not take the right to a long one")
            return nil
        }
    }

    @Test("A ticket that was turned away is made good by whoever ends next")
    func turnedAway() async throws {
        let turns = JobTurns(kind: .video, longSlots: 1)
        let film = try #require(try await turns.next { _ in job(.long) })
        let clip = try #require(try await turns.next { _ in job(.awaited) })
        _ = try await turns.next { _ in nil }
        #expect(turns.ended(clip))
        #expect(turns.ended(film))
    }

    @Test("A ticket that finds nothing waits for a claim that might get a long job, and looks again if it got none")
    func undecided() async throws {
        let turns = JobTurns(kind: .video, longSlots: 1)
        let (begun, begin) = AsyncStream<Void>.makeStream()
        let (clip, take) = AsyncStream<ClaimedJob>.makeStream()
        async let first = turns.next { _ in
            begin.yield()
            return await clip.first { _ in true }
        }
        _ = await begun.first { _ in true }
        var lanes: [JobLane] = []
        let second = try await turns.next { turn in
            lanes.append(turn.lastLane)
            if turn.lastLane == .background { return job(.long) }
            // Only now the other one learns what it got.
            take.yield(job(.awaited))
            return nil
        }
        let taken = try await first
        #expect(taken?.lane == .awaited)
        #expect(second?.lane == .long)
        #expect(lanes == [.batch, .background])
    }

    @Test("A claim that fails takes no right with it")
    func failure() async throws {
        struct Away: Error {}
        let turns = JobTurns(kind: .video, longSlots: 1)
        for _ in 0..<3 {
            await #expect(throws: Away.self) { _ = try await turns.next { _ in throw Away() } }
        }
        _ = try await turns.next { turn in
            #expect(turn.lastLane == .background)
            return nil
        }
    }
}
