public import Database

/// One thing that must be true of the rows of all companies, at every moment.
public struct IntegrityRule: Sendable {
    public struct Breach: Sendable, RowDecodable {
        public let subject: String
        public let detail: String

        public init(from row: borrowing Row) throws(DatabaseError) {
            subject = try row["subject"]
            detail = try row["detail"]
        }
    }

    public let text: String
    /// Finds at most `$1` rows of which it is not true.
    let breaches: Query<Breach>

    private init(_ text: String, breaches sql: StaticString) {
        self.text = text
        breaches = Query(sql)
    }

    public static let all = [
        IntegrityRule(
            "An image or video has a job, or had one that is done.",
            breaches: """
                SELECT id AS subject, 'an asset (' || kind || ') without a job' AS detail FROM assets a
                 WHERE deleted_at IS NULL AND kind IN ('image', 'video') AND processed_at IS NULL
                   AND NOT EXISTS (SELECT FROM jobs j WHERE j.subject_id = a.id) LIMIT $1
                """
        ),
        IntegrityRule(
            "A part has a job as long as its export has archives.",
            breaches: """
                SELECT p.id AS subject, 'a part of an export without a job' AS detail
                  FROM export_parts p JOIN exports e ON e.id = p.export_id
                 WHERE e.deleted_at IS NULL AND e.cleaned_at IS NULL
                   AND NOT EXISTS (SELECT FROM jobs j WHERE j.subject_id = p.id) LIMIT $1
                """
        ),
        IntegrityRule(
            "A ready image or video has renditions.",
            breaches: """
                SELECT a.id AS subject, 'a ready asset without renditions' AS detail
                  FROM assets a LEFT JOIN jobs j ON j.subject_id = a.id
                 WHERE a.deleted_at IS NULL AND a.kind IN ('image', 'video') AND coalesce(j.state, 'done') = 'done'
                   AND NOT EXISTS (SELECT FROM renditions r WHERE r.asset_id = a.id) LIMIT $1
                """
        ),
        IntegrityRule(
            "The item of an asset is there.",
            breaches: """
                SELECT a.id AS subject, 'an asset of an item that was deleted' AS detail
                  FROM assets a JOIN items i ON i.id = a.item_id
                 WHERE a.deleted_at IS NULL AND i.deleted_at IS NOT NULL LIMIT $1
                """
        ),
        // Neither a gallery nor an export would have it.
        IntegrityRule(
            "An image or video is about an item.",
            breaches: """
                SELECT id AS subject, 'an asset (' || kind || ') without an item' AS detail FROM assets
                 WHERE deleted_at IS NULL AND kind IN ('image', 'video') AND item_id IS NULL LIMIT $1
                """
        ),
        IntegrityRule(
            "The same bytes on an item are one asset.",
            breaches: """
                SELECT min(id::text) AS subject, count(*) || ' assets of the same bytes' AS detail FROM assets
                 WHERE deleted_at IS NULL GROUP BY company_id, item_id, sha256 HAVING count(*) > 1 LIMIT $1
                """
        ),
        IntegrityRule(
            "A job has an asset or a part that it is about.",
            breaches: """
                SELECT id AS subject, 'a job (' || kind || ') of nothing' AS detail FROM jobs j
                 WHERE NOT EXISTS (SELECT FROM assets a WHERE a.id = j.subject_id)
                   AND NOT EXISTS (SELECT FROM export_parts p WHERE p.id = j.subject_id) LIMIT $1
                """
        ),
        IntegrityRule(
            "What a job's columns say agrees with its state.",
            breaches: """
                SELECT id AS subject,
                       concat_ws(' ', 'a', state, 'job, attempt', attempt, 'of', max_attempts, 'fence', fence,
                                 'lease', lease_until, 'finished', finished_at) AS detail
                  FROM jobs
                 WHERE NOT CASE state
                           WHEN 'queued' THEN lease_until IS NULL AND finished_at IS NULL
                           WHEN 'running' THEN lease_until IS NOT NULL AND finished_at IS NULL AND attempt >= 1
                           ELSE lease_until IS NULL AND finished_at IS NOT NULL END
                    OR attempt NOT BETWEEN 0 AND fence
                 LIMIT $1
                """
        ),
        IntegrityRule(
            "What failed has a reason.",
            breaches: """
                SELECT id AS subject, 'a failed job without a reason' AS detail FROM jobs
                 WHERE state = 'failed' AND coalesce(btrim(reason), '') = '' LIMIT $1
                """
        ),
        // A lease lasts 60 s from when it was last renewed.
        IntegrityRule(
            "No lease is older than twice its length.",
            breaches: """
                SELECT id AS subject, 'a job of ' || coalesce(worker, 'nobody') || ', leased until ' || lease_until AS detail
                  FROM jobs WHERE state = 'running' AND lease_until < now() - interval '60 s' LIMIT $1
                """
        ),
        IntegrityRule(
            "No job has waited for a day.",
            breaches: """
                SELECT id AS subject, 'a job (' || kind || ') that waits since ' || run_after AS detail
                  FROM jobs WHERE state = 'queued' AND run_after < now() - interval '1 day' LIMIT $1
                """
        ),
        IntegrityRule(
            "Of one request there is one unfinished export.",
            breaches: """
                SELECT min(id::text) AS subject, count(*) || ' unfinished exports of one request' AS detail FROM exports
                 WHERE finished_at IS NULL AND deleted_at IS NULL
                 GROUP BY company_id, fingerprint HAVING count(*) > 1 LIMIT $1
                """
        ),
        IntegrityRule(
            "An export ends with its last part.",
            breaches: """
                SELECT e.id AS subject,
                       CASE WHEN e.finished_at IS NULL THEN 'an export whose parts have all ended, and it has not'
                            ELSE 'an export that has ended, and a part of it has not' END AS detail
                  FROM exports e
                 WHERE e.deleted_at IS NULL
                   AND (e.finished_at IS NULL)
                       <> EXISTS (SELECT FROM export_parts p JOIN jobs j ON j.subject_id = p.id
                                   WHERE p.export_id = e.id AND j.state IN ('queued', 'running'))
                 LIMIT $1
                """
        ),
    ]
}
