import Database
import Foundation
import Models

/// The statements of the job's life. Only the database's clock is used, and every change by a worker names the fence.
enum JobQueries {
    /// A lease lasts 60 s; whoever holds it renews it every 15 s.
    static let claim = Query<ClaimedJob>(
        """
        UPDATE jobs
           SET state = 'running', attempt = attempt + 1, fence = fence + 1, worker = $2, progress = 0,
               started_at = now(), lease_until = now() + interval '60 s', announce_at = now() + interval '60 s'
         WHERE id = $1
           AND ((state = 'queued' AND run_after <= now()) OR (state = 'running' AND lease_until < now()))
        RETURNING id, kind, subject_id, attempt, max_attempts, fence
        """
    )

    static let renew = Query<JobRow>(
        """
        UPDATE jobs SET lease_until = now() + interval '60 s', announce_at = now() + interval '60 s'
         WHERE id = $1 AND fence = $2 AND state = 'running'
        RETURNING id, kind, fence
        """
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

    static let retryLater = Query<NoRow>(
        """
        UPDATE jobs SET state = 'queued', reason = $3, lease_until = NULL, progress = 0,
               run_after = now() + $4::float8 * interval '1 s', announce_at = now() + $4::float8 * interval '1 s'
         WHERE id = $1 AND fence = $2 AND state = 'running'
        """
    )

    /// Like `retryLater`, without charging the attempt.
    static let postpone = Query<NoRow>(
        """
        UPDATE jobs SET state = 'queued', attempt = attempt - 1, reason = $3, lease_until = NULL, progress = 0,
               run_after = now() + $4::float8 * interval '1 s', announce_at = now() + $4::float8 * interval '1 s'
         WHERE id = $1 AND fence = $2 AND state = 'running'
        """
    )

    /// Without a reason: nothing went wrong. What an earlier attempt met is in the history.
    static let handBack = Query<NoRow>(
        """
        UPDATE jobs SET state = 'queued', attempt = attempt - 1, reason = NULL, lease_until = NULL, progress = 0,
               run_after = now(), announce_at = now() + interval '30 s'
         WHERE id = $1 AND fence = $2 AND state = 'running'
        """
    )

    static let outcome = Query<JobOutcome>("SELECT state FROM jobs WHERE id = $1 AND fence = $2")

    static let retry = Query<JobRow>(
        """
        UPDATE jobs SET state = 'queued', attempt = 0, reason = NULL, progress = 0, finished_at = NULL,
               run_after = now(), announce_at = now() + interval '30 s'
         WHERE subject_id = $1 AND state = 'failed'
        RETURNING id, kind, fence
        """
    )

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

    /// What the broker said it had and no worker came for in a minute, by kind.
    static let overdue = Query<OverdueKind>(
        """
        SELECT kind, count(*) AS jobs FROM jobs
         WHERE state = 'queued' AND announce_at = 'infinity' AND run_after < now() - interval '60 s'
         GROUP BY kind
        """
    )

    static let announceAgain = Query<NoRow>(
        """
        UPDATE jobs SET announce_at = now()
         WHERE kind = $1 AND state = 'queued' AND announce_at = 'infinity' AND run_after < now() - interval '60 s'
        """
    )

    /// Where the jobs that are not done stand. A job that waits for its next attempt is not due, so it is neither old nor
    /// unannounced.
    static let census = Query<JobCensus.Count>(
        """
        SELECT kind, state, count(*) AS jobs,
               count(*) FILTER (WHERE run_after <= now() AND announce_at < 'infinity') AS unannounced,
               coalesce(extract(epoch FROM now() - min(run_after) FILTER (WHERE run_after <= now())), 0)::float8
                   AS oldest_seconds
          FROM jobs WHERE state IN ('queued', 'running') GROUP BY kind, state
        UNION ALL
        SELECT kind, state, count(*), 0, 0 FROM jobs WHERE state = 'failed' GROUP BY kind, state
        """
    )
}
