-- An export as people see it. Its number in the queue counts those of its own company that no worker has begun: another's
-- are none of its business, and counting them all for each row of a page took seconds.
CREATE OR REPLACE VIEW export_details AS
SELECT e.id, e.company_id, e.fingerprint, e.media, e.procedures, e.language, e.created_at, e.finished_at, e.expires_at,
       CASE WHEN p.failed AND e.finished_at IS NOT NULL THEN 'failed'
            WHEN e.expires_at <= now() THEN 'expired'
            WHEN e.finished_at IS NOT NULL THEN 'ready'
            WHEN p.begun THEN 'processing'
            ELSE 'queued' END AS status,
       CASE WHEN NOT p.begun THEN
                 (SELECT count(*) FROM exports o
                   WHERE o.company_id = e.company_id AND o.finished_at IS NULL AND o.deleted_at IS NULL
                     AND o.id <= e.id
                     AND NOT EXISTS (SELECT FROM export_parts op JOIN jobs oj ON oj.subject_id = op.id
                                      WHERE op.export_id = o.id AND oj.state <> 'queued')) END AS position_in_queue,
       p.parts
  FROM exports e
  CROSS JOIN LATERAL (
       SELECT bool_or(j.state <> 'queued') AS begun,
              bool_or(j.state = 'failed') AS failed,
              jsonb_agg(jsonb_build_object(
                  'number', p.number,
                  'status', CASE WHEN j.state = 'failed' THEN 'failed'
                                 WHEN j.state = 'done' AND e.expires_at <= now() THEN 'expired'
                                 WHEN j.state = 'done' THEN 'ready'
                                 WHEN j.state = 'running' THEN 'processing'
                                 ELSE 'queued' END,
                  'progress', CASE WHEN j.state = 'failed' THEN 0 ELSE j.progress END,
                  'items', cardinality(p.items),
                  -- What an earlier attempt met says nothing of the one that is under way.
                  'error', CASE WHEN j.state IN ('queued', 'failed') THEN j.reason END,
                  'archive', CASE WHEN j.state = 'done' AND (e.expires_at IS NULL OR e.expires_at > now())
                                  THEN p.archive END) ORDER BY p.number) AS parts
         FROM export_parts p JOIN jobs j ON j.subject_id = p.id
        WHERE p.export_id = e.id) p
 WHERE e.deleted_at IS NULL;
