import Database
import Foundation
import Messaging
import Models
import TestSupport
import Testing

@testable import Jobs

/// Work that ends as a test wants it.
private struct StubHandler: JobHandler {
    typealias Work = @Sendable (Lease) async throws(JobFailure) -> [any AnyStatement]

    let lease: Lease
    let perform: Work

    func work() async throws(JobFailure) -> [any AnyStatement] { try await perform(lease) }
    func discard() async {}
}

/// What an attempt makes of its delivery and of the row, whatever the work does.
@Suite("Attempts in a real Postgres")
struct JobAttemptTests {
    /// Delivers a job's message, or another, to a worker whose work ends like that.
    private func deliver(
        _ body: String,
        in fixture: CompanyFixture,
        to work: @escaping StubHandler.Work
    ) async throws -> DeliveryOutcome {
        let attempt = JobAttempt(
            worker: "worker",
            database: fixture.database,
            work: WorkInProgress(),
            logger: .quiet,
            handler: { StubHandler(lease: $0, perform: work) }
        )
        return await attempt.run(Delivery(body: Array(body.utf8)))
    }

    @Test("A permanent failure ends the job at once, with its reason, and no message brings it back")
    func permanent() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            let handler: StubHandler.Work = { _ throws(JobFailure) in
                throw JobFailure(reason: "The photo is cut off.", isPermanent: true)
            }
            #expect(try await deliver("\(job)", in: fixture, to: handler) == .done)
            #expect(try await deliver("\(job)", in: fixture, to: handler) == .done)
            let entry = try await fixture.entry(job)
            #expect(entry.state == .failed)
            #expect(entry.attempt == 1)
            #expect(entry.reason == "The photo is cut off.")
            #expect(entry.history.map(\.outcome) == [.failed])
        }
    }

    @Test("A failure that may pass is tried again after a while, and the last attempt ends the job")
    func transient() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            let handler: StubHandler.Work = { _ throws(JobFailure) in
                throw JobFailure(reason: "The disk did not answer.", isPermanent: false)
            }
            let maximum = try await fixture.entry(job).maximumAttempts
            for attempt in 1..<maximum {
                let before = Date()
                #expect(try await deliver("\(job)", in: fixture, to: handler) == .done)
                let entry = try await fixture.entry(job)
                #expect(entry.state == .queued)
                #expect(entry.attempt == attempt)
                // Half of 2 s, 4 s, 8 s… at least; no clock but the database's has run since.
                #expect(entry.runAfter > before.addingTimeInterval(Double(1 << attempt) / 2 - 0.5))
                #expect(try await fixture.claim(job) == nil, "it was not its time yet")
                try await fixture.makeDue(job)
            }
            #expect(try await deliver("\(job)", in: fixture, to: handler) == .done)
            let entry = try await fixture.entry(job)
            #expect(entry.state == .failed)
            #expect(entry.history.map(\.outcome) == Array(repeating: .retried, count: maximum - 1) + [.failed])
        }
    }

    @Test("A job whose workers died under it each time fails without being tried once more")
    func exhausted() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            let maximum = try await fixture.entry(job).maximumAttempts
            for _ in 1...maximum {
                _ = try #require(try await fixture.claim(job))
                try await fixture.expireLeases()
            }
            let outcome = try await deliver("\(job)", in: fixture) { _ throws(JobFailure) in
                Issue.record("it was tried once more")
                return []
            }
            #expect(outcome == .done)
            let entry = try await fixture.entry(job)
            #expect(entry.state == .failed)
            #expect(entry.reason == JobFailure.exhausted.reason)
            #expect(entry.history.map(\.outcome) == Array(repeating: .leaseEnded, count: maximum) + [.failed])
        }
    }

    @Test("A job that could not be begun waits without being charged")
    func postponed() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            let outcome = try await deliver("\(job)", in: fixture) { _ throws(JobFailure) in
                throw .postponed("There is no room on the disk.")
            }
            #expect(outcome == .done)
            let entry = try await fixture.entry(job)
            #expect(entry.state == .queued)
            #expect(entry.attempt == 0)
            #expect(try await fixture.claim(job) == nil, "it waits")
            #expect(entry.history.map(\.outcome) == [.postponed])
        }
    }

    private static let nothingToDo: StubHandler.Work = { _ throws(JobFailure) in
        Issue.record("there was something to work on")
        return []
    }

    @Test("A message that is not a job's id goes to the dead letters; one of an unknown job is forgotten")
    func undecodable() async throws {
        try await CompanyFixture.with { fixture in
            let garbage = try await deliver("garbage", in: fixture, to: Self.nothingToDo)
            #expect(garbage == .reject)
            let unknown = try await deliver("\(JobID.new())", in: fixture, to: Self.nothingToDo)
            #expect(unknown == .done)
        }
    }
}
