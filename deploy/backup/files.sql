-- The files of one moment: each original and rendition, as `volume/path` and its size.
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET TRANSACTION SNAPSHOT :'snapshot';
SELECT concat_ws('/', volume, 'originals', company_id, left(sha256, 2), sha256), bytes
  FROM assets WHERE deleted_at IS NULL
UNION
SELECT concat_ws('/', r.volume, r.path), r.bytes
  FROM renditions r JOIN assets a ON a.id = r.asset_id WHERE a.deleted_at IS NULL;
COMMIT;
