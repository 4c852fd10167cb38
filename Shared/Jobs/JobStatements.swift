public import Database
public import Foundation
public import Models

/// Every statement that writes to `jobs`. Only the database's clock is used, and every change by a worker names the
/// fence.
public enum JobStatements {
    static func renew(_ job: JobID, _ fence: Int64) -> Statement<JobRow> {
        renew(job, fence, Lease.length / .seconds(1))
    }

    private static let renew = Query<JobRow>(
        """
        UPDATE jobs SET lease_until = now() + $3::float8 * interval '1 s',
               announce_at = now() + $3::float8 * interval '1 s'
         WHERE id = $1 AND fence = $2 AND state = 'running'
        RETURNING id, kind, fence
        """
    )

    /// Says that from now on a death of the worker is the job's own fault.
    static let standAlone = Query<NoRow>(
        "UPDATE jobs SET alone = true WHERE id = $1 AND fence = $2 AND state = 'running'"
    )

    static let progress = Query<NoRow>(
        "UPDATE jobs SET progress = $3 WHERE id = $1 AND fence = $2 AND state = 'running'"
    )

    static let requireLease = Query<NoRow>("SELECT require_lease($1, $2)")

    static let complete = Query<NoRow>(
        """
        UPDATE jobs SET state = 'done', progress = 1, reason = NULL, lease_until = NULL, finished_at = now()
         WHERE id = $1 AND fence = $2 AND state = 'running'
        """
    )

    static let fail = Query<NoRow>(
        """
        UPDATE jobs SET state = 'failed', reason = $3, lease_until = NULL, finished_at = now()
         WHERE id = $1 AND fence = $2 AND state = 'running'
        """
    )
    /// `$5` is 1 for an attempt that is not charged.
    static let retryLater = Query<NoRow>(
        """
        UPDATE jobs SET state = 'queued', attempt = attempt - $5::integer, reason = $3, lease_until = NULL, progress = 0,
               run_after = now() + $4::float8 * interval '1 s', announce_at = now() + $4::float8 * interval '1 s'
         WHERE id = $1 AND fence = $2 AND state = 'running'
        """
    )
    /// Records a failed attempt: the job ends with it, waits for its next one, or waits without being charged.
    static func fail(_ job: ClaimedJob, _ failure: JobFailure, isLast: Bool) -> any AnyStatement {
        let reason = failure.reason(isLast: isLast)
        if isLast { return fail(job.id, job.fence, reason) }
        let pause = failure.postponement ?? JobAttempt.backoff.delay(after: job.attempt)
        let uncharged = failure.postponement == nil ? 0 : 1
        return retryLater(job.id, job.fence, reason, pause / .seconds(1), uncharged)
    }

    /// Without a reason: nothing went wrong. What an earlier attempt met is in the history.
    static let handBack = Query<NoRow>(
        """
        UPDATE jobs SET state = 'queued', attempt = attempt - 1, reason = NULL, lease_until = NULL, progress = 0,
               run_after = now(), announce_at = now() + interval '30 s'
         WHERE id = $1 AND fence = $2 AND state = 'running'
        """
    )

    static let outcome = Query<JobOutcome>("SELECT state FROM jobs WHERE id = $1 AND fence = $2")

    /// A job that was claimed since has another fence: if it waits for its next attempt, that one is not announced yet.
    static let confirm = Query<NoRow>(
        """
        UPDATE jobs SET announce_at = 'infinity'
          FROM unnest($1::uuid[], $2::bigint[]) AS announced (id, fence)
         WHERE jobs.id = announced.id AND jobs.fence = announced.fence AND state = 'queued'
        """
    )

    /// Commit order is not id order, so this looks at every row that is due and never pages by id.
    static let due = Query<JobRow>(
        """
        UPDATE jobs SET announce_at = now() + interval '30 s'
         WHERE id IN (SELECT id FROM jobs
                       WHERE announce_at <= now() AND state IN ('queued', 'running')
                       ORDER BY announce_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
        RETURNING id, kind, fence
        """
    )

    /// The kinds of which the broker said it had a job, and no worker came for it in a minute.
    static let overdue = Query<OverdueKind>(
        """
        SELECT kind FROM unnest($1::text[]) AS kinds (kind)
         WHERE EXISTS (SELECT FROM jobs WHERE jobs.kind = kinds.kind AND state = 'queued' AND announce_at = 'infinity'
                                          AND run_after < now() - interval '60 s')
        """
    )

    /// Of one `announceAgain`; the number stands in its text, since the server would suppose a tenth of all for a parameter.
    static let announcedAtOnce = 1000

    static let announceAgain = Query<NoRow>(
        """
        UPDATE jobs SET announce_at = now()
         WHERE id IN (SELECT id FROM jobs
                       WHERE announce_at = 'infinity' AND state IN ('queued', 'running') AND state = 'queued' AND kind = $1
                         AND run_after < now() - interval '60 s'
                       LIMIT 1000 FOR UPDATE SKIP LOCKED)
        """
    )

    /// Adds up what changed since the last time, so that there is little to read.
    static let addUpCounts = Query<NoRow>(
        """
        WITH changes AS (
            DELETE FROM job_counts
             WHERE ctid = ANY (ARRAY(SELECT ctid FROM job_counts LIMIT 20000 FOR UPDATE SKIP LOCKED))
            RETURNING kind, state, jobs)
        INSERT INTO job_counts SELECT kind, state, sum(jobs) FROM changes GROUP BY kind, state HAVING sum(jobs) <> 0
        """
    )

    /// Where the jobs that are not done stand, at a step in an index for each company that waits. A job that waits for its
    /// next attempt is not due, so it is neither old nor unannounced; of the unannounced, ten thousand are counted.
    static let counts = Query<JobMetrics.Count>(
        """
        WITH RECURSIVE oldest AS (
            (SELECT kind, lane, company_id, run_after FROM jobs
              WHERE state = 'queued' ORDER BY kind, lane, company_id, run_after LIMIT 1)
            UNION ALL
            SELECT next.* FROM oldest CROSS JOIN LATERAL (
                SELECT kind, lane, company_id, run_after FROM jobs
                 WHERE state = 'queued' AND (kind, lane, company_id) > (oldest.kind, oldest.lane, oldest.company_id)
                 ORDER BY kind, lane, company_id, run_after LIMIT 1) next
        ), due AS (
            SELECT kind, min(run_after) AS since FROM oldest WHERE run_after <= now() GROUP BY kind
        ), unannounced AS (
            SELECT kind, count(*) AS jobs
              FROM (SELECT kind FROM jobs
                     WHERE state IN ('queued', 'running') AND announce_at < 'infinity' AND state = 'queued'
                       AND run_after <= now() LIMIT 10000) job GROUP BY kind
        )
        SELECT counted.kind, counted.state, counted.jobs,
               CASE WHEN counted.state = 'queued' THEN coalesce(unannounced.jobs, 0) ELSE 0 END AS unannounced,
               CASE WHEN counted.state = 'queued' THEN coalesce(extract(epoch FROM now() - due.since), 0) ELSE 0
               END::float8 AS oldest_seconds
          FROM (SELECT kind, state, sum(jobs)::bigint AS jobs FROM job_counts GROUP BY kind, state HAVING sum(jobs) <> 0)
               counted
          LEFT JOIN due ON due.kind = counted.kind
          LEFT JOIN unannounced ON unannounced.kind = counted.kind
        """
    )

    /// Queues the work of assets that the same transaction has inserted. One that turned out to be there already has no
    /// row of that id, and gets no job. Of the files of a kind that came in one request none is awaited, if not all of
    /// them are; `request` tells requests apart.
    public static func accept(
        _ jobs: [(id: JobID, kind: Job.Kind, asset: AssetID, request: Int)]
    ) -> any AnyStatement {
        acceptAssets(
            jobs.map(\.id),
            jobs.map(\.kind),
            jobs.map(\.asset),
            jobs.map(\.request),
            JobLane.longVideoBytes,
            JobLane.long,
            JobLane.smallBatch,
            JobLane.batch,
            JobLane.awaited
        )
    }

    /// Queues the work of an asset whose job was done so long ago that it is forgotten. One that has a job keeps it.
    public static func acceptAgain(_ asset: AssetID) -> any AnyStatement {
        acceptForgotten(JobID.new(), asset, JobLane.background)
    }

    /// Deletes a thousand of the jobs that were done longer ago than so many seconds. What is shown of them is on the asset.
    static let forget = Query<NoRow>(
        """
        DELETE FROM jobs WHERE id IN (
            SELECT id FROM jobs
             WHERE state = 'done' AND kind <> 'zip.part' AND finished_at < now() - $1::float8 * interval '1 s'
             ORDER BY finished_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
        """
    )

    /// Queues the work of the parts of an export that the same transaction has inserted, and gives its jobs as
    /// `JobRow`s in the order of the parts. A part has more attempts than media has: nothing in it is decoded, so what
    /// ends its worker is not the part.
    public static func acceptParts(of export: ExportID) -> any AnyStatement {
        insertParts(export, JobLane.smallExportItems, JobLane.smallBatch, JobLane.batch, JobLane.awaited)
    }

    /// Queues ended jobs again, with all their attempts, in `lane`, or in a later one if they are many or long, or parts that
    /// were in it; gives a `JobRow` a job. `references` are ids of jobs or of their subjects. The sweeper announces them after `seconds`, if
    /// nobody has before.
    public static func requeue(
        _ references: [UUID],
        from states: [Job.State],
        in lane: JobLane = .awaited,
        announcingIn seconds: Double = 0
    ) -> Statement<JobRow> {
        requeue(
            references,
            states,
            seconds,
            lane,
            JobLane.longVideoBytes,
            JobLane.long,
            JobLane.smallBatch,
            JobLane.batch,
            JobLane.awaited
        )
    }

    /// Ends what waits or runs as failed. A worker that has such a job loses its lease.
    static let discard = Query<NoRow>(
        """
        UPDATE jobs SET state = 'failed', reason = $2, fence = fence + 1, lease_until = NULL, finished_at = now()
         WHERE id = $1 AND state IN ('queued', 'running')
        """
    )

    /// Forgets the jobs of an export that is being deleted; workers that have one lose their leases.
    public static func deleteParts(of export: ExportID, in company: CompanyID) -> any AnyStatement {
        deleteParts(export, company)
    }

    /// Forgets the jobs of exports that expired so many seconds ago and have no archives any more. Those that are queued
    /// again in the same moment stay, and their export with them.
    public static func deleteParts(ofExportsExpiredFor seconds: Double) -> any AnyStatement {
        deleteExpiredParts(seconds)
    }

    private static let acceptAssets = Query<NoRow>(
        """
        INSERT INTO jobs (id, kind, subject_id, company_id, requested_by, place, lane)
        SELECT id, kind, asset, company_id, created_by, place,
               CASE WHEN is_long THEN $6::smallint
                    WHEN max(place) OVER (PARTITION BY request, kind, is_long) > $7 THEN $8::smallint
                    ELSE $9::smallint END
          FROM (SELECT new.*, company_id, created_by, is_long,
                       row_number() OVER (PARTITION BY created_by, new.kind, is_long ORDER BY request)
                       + waiting_of(created_by, new.kind) AS place
                  FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[]) AS new (id, kind, asset, request)
                  JOIN assets a ON a.id = new.asset
                 CROSS JOIN LATERAL (SELECT new.kind = 'media.video' AND a.bytes > $5 AS is_long) length) accepted
            ON CONFLICT DO NOTHING
        """
    )
    /// Its fences go on where no forgotten one can have been, since files are named by them.
    private static let acceptForgotten = Query<NoRow>(
        """
        INSERT INTO jobs (id, kind, subject_id, company_id, requested_by, lane, fence)
        SELECT $1, 'media.' || kind, id, company_id, created_by, $3::smallint, extract(epoch FROM now())::bigint
          FROM assets WHERE id = $2 AND kind IN ('image', 'video')
            ON CONFLICT (subject_id) DO NOTHING
        """
    )
    private static let insertParts = Query<JobRow>(
        """
        INSERT INTO jobs (id, kind, subject_id, company_id, requested_by, max_attempts, place, lane)
        SELECT new_id(), 'zip.part', p.id, e.company_id, e.created_by, 12, waiting_of(e.created_by, 'zip.part'),
               CASE WHEN (SELECT sum(cardinality(items)) FROM export_parts WHERE export_id = $1) > $2
                      OR waiting_of(e.created_by, 'zip.part') >= $3 THEN $4::smallint ELSE $5::smallint END
          FROM export_parts p JOIN exports e ON e.id = p.export_id
         WHERE e.id = $1 ORDER BY p.number
        RETURNING id, kind, fence
        """
    )
    private static let requeue = Query<JobRow>(
        """
        WITH ended AS (
            SELECT id, kind, lane, requested_by,
                   row_number() OVER (PARTITION BY requested_by, kind) + waiting_of(requested_by, kind) AS place,
                   kind = 'media.video' AND (SELECT bytes FROM assets WHERE assets.id = subject_id) > $5 AS is_long
              FROM jobs
             WHERE id IN (SELECT id FROM jobs WHERE id = ANY ($1::uuid[])
                          UNION SELECT id FROM jobs WHERE subject_id = ANY ($1::uuid[]))
               AND state = ANY ($2::text[])
        ), again AS (
            SELECT id, place,
                   greatest($4::smallint, CASE WHEN is_long THEN $6::smallint
                                               WHEN kind = 'zip.part' THEN lane
                                               WHEN max(place) OVER (PARTITION BY requested_by, kind) > $7 THEN $8::smallint
                                               ELSE $9::smallint END) AS lane
              FROM ended
        )
        UPDATE jobs SET state = 'queued', attempt = 0, reason = NULL, progress = 0, finished_at = NULL,
               lost = CASE WHEN state = 'done' THEN 0 ELSE lost END, run_after = now(),
               announce_at = now() + $3::float8 * interval '1 s', lane = again.lane, place = again.place,
               company_id = company_of(subject_id)
          FROM again
         WHERE jobs.id = again.id AND state = ANY ($2::text[])
        RETURNING jobs.id, kind, fence
        """
    )
    private static let deleteParts = Query<NoRow>(
        """
        DELETE FROM jobs WHERE subject_id IN (
            SELECT p.id FROM export_parts p JOIN exports e ON e.id = p.export_id
             WHERE e.id = $1 AND e.company_id = $2 AND e.deleted_at IS NULL)
        """
    )
    private static let deleteExpiredParts = Query<NoRow>(
        """
        DELETE FROM jobs WHERE subject_id IN (
            SELECT p.id FROM export_parts p JOIN exports e ON e.id = p.export_id
             WHERE e.cleaned_at IS NOT NULL AND e.expires_at < now() - $1::float8 * interval '1 s')
           AND state IN ('done', 'failed')
        """
    )
}

public struct JobRow: Hashable, Sendable, RowDecodable {
    public let id: JobID
    public let kind: Job.Kind
    /// As it stood when the job was to be announced: the announcement is for that attempt and no later one.
    let fence: Int64

    public init(id: JobID, kind: Job.Kind) {
        self.id = id
        self.kind = kind
        fence = 0
    }

    public init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        kind = try row["kind"]
        fence = try row["fence"]
    }
}

/// A job this process holds the lease of.
public struct ClaimedJob: Sendable {
    public let id: JobID
    public let kind: Job.Kind
    /// What it is about: an asset, a part.
    public let subject: UUID
    /// Counts from 1. It counted before the work began, so an attempt that killed its worker counts too.
    public let attempt: Int
    public let maximumAttempts: Int
    /// Stands in every path this attempt writes and every statement it sends.
    public let fence: Int64
    /// Attempts whose worker fell silent.
    let lost: Int
    let lane: JobLane
    /// Whether its message was sent, or was about to be. One that is claimed before is not announced any more.
    var isAnnounced = true

    /// Whether it may be what its workers died of: it is then run without others beside it.
    var isSuspect: Bool { lost > 1 }
}

extension ClaimedJob: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        kind = try row["kind"]
        subject = try row["subject_id"]
        attempt = try row["attempt"]
        maximumAttempts = try row["max_attempts"]
        fence = try row["fence"]
        lost = try row["lost"]
        lane = try row["lane"]
        isAnnounced = try row["announced"]
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
