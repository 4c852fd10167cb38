-- Jobs that are done go after a while; what is shown of them stays on their assets.

ALTER TABLE assets ADD COLUMN processed_at timestamptz;
CREATE OR REPLACE VIEW asset_details AS
SELECT a.id, a.company_id, a.item_id, a.kind, a.filename, a.content_type, a.volume, a.sha256, a.crc32, a.bytes,
       a.width, a.height, a.duration_seconds, a.created_at,
       CASE j.state WHEN 'queued' THEN 'queued' WHEN 'running' THEN 'processing' WHEN 'failed' THEN 'failed'
                    ELSE 'ready' END AS status,
       CASE WHEN j.state = 'failed' THEN j.reason END AS error,
       CASE WHEN j.id IS NULL THEN 1 ELSE j.progress END AS progress,
       CASE WHEN j.id IS NULL THEN coalesce(a.processed_at, a.created_at) ELSE j.finished_at END AS processed_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object(
                            'name', r.name, 'contentType', r.content_type, 'bytes', r.bytes, 'width', r.width,
                            'height', r.height, 'volume', r.volume, 'path', r.path) ORDER BY r.name)
                   FROM renditions r WHERE r.asset_id = a.id), '[]') AS renditions
  FROM assets a LEFT JOIN jobs j ON j.subject_id = a.id
 WHERE a.deleted_at IS NULL;
-- The parts of an export keep theirs as long as it is in lists.
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE state = 'done' AND kind <> 'zip.part';

-- Each job's row is written half a dozen times in a minute: its old versions go soon, so that the next ones find room.
ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
                      autovacuum_analyze_scale_factor = 0.02, fillfactor = 85);
ALTER TABLE uploads SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, fillfactor = 85);
