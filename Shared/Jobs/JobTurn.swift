public import Database
import Models
import Synchronization

/// Which jobs come first: a free slot takes the first lane that has one, and now and then a later one.
public enum JobLane: Int, DatabaseValue {
    /// A person waits: single files, small batches, small exports, short videos.
    case awaited = 0
    /// One of many.
    case batch = 1
    /// A long video: it takes a slot for minutes or hours.
    case long = 2
    /// Nobody waits.
    case background = 3

    /// So many of one user's jobs wait as `awaited`; files that came together and would make them more are a batch, all of
    /// them.
    static let smallBatch = 20
    /// Items of an export that is not a batch.
    static let smallExportItems = 10
    /// A video of more is long: what phones film in some minutes.
    static let longVideoBytes = 200 << 20

    /// Drawn for each turn: of sixteen, twelve begin with the first lane, two with the second, one with each other, so that
    /// none waits for ever.
    static func drawn() -> JobLane {
        switch Int.random(in: 0..<16) {
        case 0: .background
        case 1: .long
        case 2, 3: .batch
        default: .awaited
        }
    }
}

/// What a free slot may take.
struct JobTurn: Sendable {
    /// The last lane: a slot kept for short work takes none of the long.
    var lastLane = JobLane.background
    /// The lane that is looked at first.
    var favouredLane = JobLane.drawn()
    /// How many jobs of the kind a company may have at work; nil is no limit.
    var companyLimit: Int?
    /// Whether of two who wait for their job the one with fewer before it comes first, however old they are. Not always,
    /// or the last of somebody's twenty would wait as long as others send single files.
    var countsPlaces = Int.random(in: 0..<4) > 0
}

extension JobStatements {
    /// Takes the job whose turn it is, for as long as a lease lasts; nil if there is none for this slot.
    ///
    /// First one whose lease has ended. Then by lane; in a lane the company with the fewest jobs at work. Of companies with
    /// as many, where people wait, the one whose next job had the fewest of its user's before it, so that a single photo
    /// does not wait for the last of everybody's twenty; then the oldest. In the other lanes chance decides: by age whoever
    /// has a thousand would be served to the last. Each company that waits costs one step in an index.
    ///
    /// An attempt whose worker fell silent while it ran beside others may have died of one of them: it counts, but does
    /// not use up the last attempt.
    static func claim(_ kind: Job.Kind, _ worker: String, by turn: JobTurn = JobTurn()) -> Statement<ClaimedJob> {
        claim(
            kind,
            worker,
            Lease.length / .seconds(1),
            turn.lastLane,
            turn.favouredLane,
            turn.companyLimit ?? Int(Int32.max),
            turn.countsPlaces
        )
    }

    /// Before the claim, in its transaction, if companies have a limit: of two claims at once each would see the other's
    /// company idle.
    static func claimsInTurn(_ kind: Job.Kind) -> any AnyStatement {
        AdvisoryLock("tolva claims of \(kind.rawValue)").forTransaction
    }

    private static let claim = Query<ClaimedJob>(
        """
        WITH RECURSIVE waiting AS (
            (SELECT lane, company_id, run_after, place FROM jobs
              WHERE kind = $1 AND state = 'queued' AND lane <= $4 ORDER BY lane, company_id, run_after LIMIT 1)
            UNION ALL
            SELECT next.* FROM waiting CROSS JOIN LATERAL (
                SELECT lane, company_id, run_after, place FROM jobs
                 WHERE kind = $1 AND state = 'queued' AND lane <= $4
                   AND (lane, company_id) > (waiting.lane, waiting.company_id)
                 ORDER BY lane, company_id, run_after LIMIT 1) next
        ), busy AS (
            SELECT company_id, count(*) AS jobs FROM jobs
             WHERE kind = $1 AND state = 'running' AND lease_until >= now() GROUP BY company_id
        ), turns AS MATERIALIZED (
            SELECT waiting.lane, waiting.company_id
              FROM waiting LEFT JOIN busy ON busy.company_id = waiting.company_id
             WHERE waiting.run_after <= now() AND coalesce(busy.jobs, 0) < $6
             ORDER BY waiting.lane = $5 DESC, waiting.lane, coalesce(busy.jobs, 0),
                      CASE WHEN waiting.lane > 0 THEN random() WHEN $7 THEN waiting.place END, waiting.run_after
        ), lost AS MATERIALIZED (
            SELECT id, false AS announced FROM jobs
             WHERE kind = $1 AND state = 'running' AND lease_until < now() AND lane <= $4
             ORDER BY lease_until LIMIT 1 FOR UPDATE SKIP LOCKED
        ), due AS MATERIALIZED (
            SELECT first.* FROM turns CROSS JOIN LATERAL (
                SELECT id, announce_at > now() AS announced FROM jobs
                 WHERE kind = $1 AND state = 'queued' AND lane = turns.lane AND company_id = turns.company_id
                   AND run_after <= now()
                 ORDER BY run_after LIMIT 1 FOR UPDATE SKIP LOCKED) first
             WHERE NOT EXISTS (SELECT FROM lost) LIMIT 1
        )
        UPDATE jobs
           SET state = 'running', fence = fence + 1, worker = $2,
               attempt = CASE WHEN state = 'running' AND NOT alone THEN greatest(attempt, least(attempt + 1, max_attempts - 1))
                              ELSE attempt + 1 END,
               lost = lost + (state = 'running')::integer, alone = false, progress = 0, started_at = now(),
               lease_until = now() + $3::float8 * interval '1 s', announce_at = now() + $3::float8 * interval '1 s'
          FROM (SELECT * FROM lost UNION ALL SELECT * FROM due LIMIT 1) turn
         WHERE jobs.id = turn.id
           AND ((state = 'queued' AND run_after <= now()) OR (state = 'running' AND lease_until < now()))
        RETURNING jobs.id, kind, subject_id, attempt, max_attempts, fence, lost, lane, announced
        """
    )
}

/// What the slots of one worker may claim: long jobs only so many at a time, so that a short one finds a slot.
///
/// A ticket that finds nothing its slot may take is used up, so whoever ends a job for which others may have been turned
/// away looks for the next one without a ticket.
final class JobTurns: Sendable {
    private struct State {
        /// Slots that have a long job, or may be getting one.
        var long = 0
        /// Of those, the ones that do not know yet.
        var undecided = 0
        /// Tickets that found nothing and wait for those.
        var waiting: [CheckedContinuation<Bool, Never>] = []
        /// Tickets that found nothing while not everything was allowed.
        var turnedAway = 0
    }

    let kind: Job.Kind
    private let longSlots: Int
    private let companyLimit: Int?
    private let state = Mutex(State())

    init(kind: Job.Kind, longSlots: Int = .max, companyLimit: Int? = nil) {
        self.kind = kind
        self.longSlots = longSlots
        self.companyLimit = companyLimit
    }

    /// Runs `claim` for the next turn; its job, if there is one, is at work until `ended`.
    func next(_ claim: (JobTurn) async throws -> ClaimedJob?) async throws -> ClaimedJob? {
        while true {
            let mayBeLong = begin()
            var turn = JobTurn()
            if !mayBeLong { turn.lastLane = .batch }
            turn.companyLimit = companyLimit
            let job: ClaimedJob?
            do {
                job = try await claim(turn)
            } catch {
                if mayBeLong { decide(isLong: false) }
                throw error
            }
            if mayBeLong { decide(isLong: job?.lane == .long) }
            if let job { return job }
            guard await mayFindMore(afterAll: mayBeLong) else { return nil }
        }
    }

    /// Takes the right to a long job, if there is one.
    private func begin() -> Bool {
        state.withLock { state in
            guard state.long < longSlots else { return false }
            state.long += 1
            state.undecided += 1
            return true
        }
    }

    private func decide(isLong: Bool) {
        let waiting = state.withLock { state in
            state.undecided -= 1
            if !isLong { state.long -= 1 }
            defer { state.waiting = [] }
            return state.waiting
        }
        for ticket in waiting { ticket.resume(returning: true) }
    }

    /// After a claim that found nothing: whether another one may be allowed more. It is, once a slot that had the right to a
    /// long job got none; that is waited for.
    private func mayFindMore(afterAll: Bool) async -> Bool {
        await withCheckedContinuation { ticket in
            let answer: Bool? = state.withLock { state in
                if !afterAll, state.undecided > 0 {
                    state.waiting.append(ticket)
                    return nil
                }
                if !afterAll, state.long < longSlots { return true }
                state.turnedAway = afterAll && companyLimit == nil ? 0 : state.turnedAway + 1
                return false
            }
            if let answer { ticket.resume(returning: answer) }
        }
    }

    /// Whether there may be a job without a ticket, now that this one has ended. A job that came to its turn before its own
    /// ticket was there used up another's, and its own may never be sent.
    func ended(_ job: ClaimedJob) -> Bool {
        state.withLock { state in
            if job.lane == .long { state.long -= 1 }
            if job.lane == .long || companyLimit != nil || !job.isAnnounced { return true }
            guard state.turnedAway > 0 else { return false }
            state.turnedAway -= 1
            return true
        }
    }
}
