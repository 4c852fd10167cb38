import Database
import Foundation
import Messaging
import Models
import ServiceLifecycle
import Synchronization
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

/// Delivers one message, and ends.
private final class StubWorker: Service {
    let attempt: JobAttempt
    let body: String
    let outcome = Mutex<DeliveryOutcome?>(nil)

    init(attempt: JobAttempt, body: String) {
        (self.attempt, self.body) = (attempt, body)
    }

    func run() async {
        let outcome = await attempt.run(Delivery(body: Array(body.utf8)))
        self.outcome.withLock { $0 = outcome }
        // A service that ends before it is told to is an error of its group.
        try? await gracefulShutdown()
    }
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
        await attempt(in: fixture, work: WorkInProgress(), work).run(Delivery(body: Array(body.utf8)))
    }

    private func attempt(
        in fixture: CompanyFixture,
        work: WorkInProgress,
        _ perform: @escaping StubHandler.Work
    ) -> JobAttempt {
        JobAttempt(
            turns: JobTurns(kind: .image),
            worker: "worker",
            database: fixture.database,
            work: work,
            logger: .quiet,
            handler: { StubHandler(lease: $0, perform: perform) }
        )
    }

    @Test("A job that comes to its turn before its message does not cost another job the message that it used up")
    func tickets() async throws {
        try await CompanyFixture.with { fixture in
            let announce = Query<NoRow>("UPDATE jobs SET announce_at = 'infinity' WHERE id = $1")
            let (early, announced) = (try await fixture.job(), try await fixture.job())
            _ = try await fixture.database.run(announce(announced))
            _ = try await fixture.database.run(Query<NoRow>("UPDATE jobs SET announce_at = now() WHERE id = $1")(early))
            #expect(try await deliver("\(announced)", in: fixture) { _ in [] } == .done)
            for job in [early, announced] { #expect(try await fixture.entry(job).state == .done) }

            let both = [try await fixture.job(), try await fixture.job()]
            for job in both { _ = try await fixture.database.run(announce(job)) }
            #expect(try await deliver("\(both[1])", in: fixture) { _ in [] } == .done)
            var states: Set<Job.State> = []
            for job in both { states.insert(try await fixture.entry(job).state) }
            #expect(states == [.done, .queued], "each has a message of its own")
        }
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
                #expect(entry.reason == "The disk did not answer. It is tried again.")
                // Half of 2 s, 4 s, 8 s… at least; no clock but the database's has run since.
                #expect(entry.runAfter > before.addingTimeInterval(Double(1 << attempt) / 2 - 0.5))
                #expect(try await fixture.claim(job) == nil, "it was not its time yet")
                try await fixture.makeDue(job)
            }
            #expect(try await deliver("\(job)", in: fixture, to: handler) == .done)
            let entry = try await fixture.entry(job)
            #expect(entry.state == .failed)
            #expect(entry.reason == "The disk did not answer.", "nothing is promised any more")
            #expect(entry.history.map(\.outcome) == Array(repeating: .retried, count: maximum - 1) + [.failed])
        }
    }

    @Test("A job whose workers died under it each time fails without being tried once more, if it was alone at last")
    func exhausted() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            let maximum = try await fixture.entry(job).maximumAttempts
            for attempt in 1...maximum {
                let claim = try #require(try await fixture.claim(job))
                #expect(claim.attempt == attempt)
                #expect(claim.isSuspect == (attempt > 2))
                if claim.isSuspect { _ = try await fixture.database.run(JobStatements.standAlone(job, claim.fence)) }
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

    @Test("However often workers die of what runs beside a job, its last attempt is not used up")
    func bystander() async throws {
        try await CompanyFixture.with { fixture in
            let job = try await fixture.job()
            let maximum = try await fixture.entry(job).maximumAttempts
            for _ in 1...(maximum * 2) {
                let claim = try #require(try await fixture.claim(job))
                #expect(claim.attempt < maximum)
                try await fixture.expireLeases()
            }
            #expect(try await deliver("\(job)", in: fixture) { _ in [] } == .done)
            #expect(try await fixture.entry(job).state == .done)
        }
    }

    @Test("A job that was lost twice waits for those at work, has the process to itself, and lets others in afterwards")
    func alone() async throws {
        try await CompanyFixture.with { fixture in
            let work = WorkInProgress()
            let suspect = try await fixture.lostTwice()
            let other = try await fixture.lostTwice()
            try await fixture.postpone(suspect, other)
            let (held, release) = AsyncStream.makeStream(of: Void.self)
            let (suspectHeld, releaseSuspect) = AsyncStream.makeStream(of: Void.self)
            let log = Mutex<[String]>([])
            func start(
                _ job: JobID,
                _ name: String,
                holding stream: AsyncStream<Void>?
            ) -> Task<DeliveryOutcome, Never> {
                let attempt = attempt(in: fixture, work: work) { _ throws(JobFailure) in
                    log.withLock { $0.append("\(name) begins") }
                    if let stream { for await _ in stream {} }
                    log.withLock { $0.append("\(name) ends") }
                    return []
                }
                return Task { await attempt.run(Delivery(body: Array("\(job)".utf8))) }
            }
            func logged(_ line: String) async throws {
                try await eventually("\(line)") { log.withLock { $0.contains(line) } }
            }

            let first = start(try await fixture.job(), "first", holding: held)
            try await logged("first begins")
            try await fixture.makeDue(suspect)
            let alone = start(suspect, "suspect", holding: suspectHeld)
            try await eventually("it has reserved the process") { work.isReserved }
            try await fixture.makeDue(other)
            let refused = start(other, "other", holding: nil)
            let last = start(try await fixture.job(), "last", holding: nil)
            #expect(log.withLock { $0 } == ["first begins"])
            release.finish()
            try await logged("suspect begins")
            #expect(try await fixture.isAlone(suspect))
            releaseSuspect.finish()
            for task in [first, alone, last] { #expect(await task.value == .done) }
            #expect(await refused.value == .done)
            let lines = log.withLock { $0 }
            #expect(lines.prefix(4) == ["first begins", "first ends", "suspect begins", "suspect ends"])
            #expect(lines.count == 8)
        }
    }

    @Test("Of two that must be alone and are claimed, one has the process; the other is handed back uncharged")
    func twoAlone() async throws {
        try await CompanyFixture.with { fixture in
            let work = WorkInProgress()
            let suspect = try await fixture.lostTwice()
            // Who has begun, and has reserved the process before this one is claimed.
            try await work.begin()
            let (blocked, unblock) = AsyncStream.makeStream(of: Void.self)
            let attempt = JobAttempt(
                turns: JobTurns(kind: .image),
                worker: "worker",
                database: fixture.database,
                work: work,
                logger: .quiet,
                handler: { lease in
                    // The handler is made between the claim and the reservation.
                    _ = work.reserve()
                    unblock.finish()
                    return StubHandler(lease: lease, perform: Self.nothingToDo)
                }
            )
            let charged = try #require(try await fixture.row(suspect)).attempt
            #expect(await attempt.run(Delivery(body: Array("\(suspect)".utf8))) == .requeue)
            for await _ in blocked {}
            let row = try #require(try await fixture.row(suspect))
            #expect(row.state == .queued)
            #expect(row.attempt == charged)
        }
    }

    @Test("A job that waits to be alone when its worker is told to stop is handed back uncharged, and lets others in")
    func aloneAndStopped() async throws {
        try await CompanyFixture.with { fixture in
            let work = WorkInProgress()
            let suspect = try await fixture.lostTwice()
            let charged = try #require(try await fixture.row(suspect)).attempt
            // Somebody is at work, and stays.
            try await work.begin()
            let attempt = attempt(in: fixture, work: work, Self.nothingToDo)
            let worker = StubWorker(attempt: attempt, body: "\(suspect)")
            let group = ServiceGroup(services: [worker], logger: .quiet)
            let run = Task { try await group.run() }
            try await eventually("it has reserved the process") { work.isReserved }
            await group.triggerGracefulShutdown()
            try await run.value
            #expect(worker.outcome.withLock { $0 } == .requeue)
            let row = try #require(try await fixture.row(suspect))
            #expect(row.state == .queued)
            #expect(row.attempt == charged)
            #expect(try await fixture.isAlone(suspect) == false)
            #expect(!work.isReserved)
            try await work.begin()
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

extension CompanyFixture {
    /// A job whose workers fell silent twice.
    fileprivate func lostTwice() async throws -> JobID {
        let job = try await job()
        for _ in 1...2 {
            _ = try await claimed(job)
            try await expireLeases()
        }
        _ = try await claimed(job)
        _ = try await database.run(
            Query<NoRow>(
                """
                UPDATE jobs SET state = 'queued', attempt = attempt - 1, lease_until = NULL, run_after = now()
                 WHERE id = $1
                """
            )(job)
        )
        return job
    }

    fileprivate func isAlone(_ job: JobID) async throws -> Bool {
        try await database.first(Query<Value<Bool>>("SELECT alone AS value FROM jobs WHERE id = $1")(job))?.value
            == true
    }
}
