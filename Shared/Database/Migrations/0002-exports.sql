-- Exports and their parts. Where a part stands is not stored: it is the state of its job (see jobs.subject_id).

CREATE TABLE exports (
    id          uuid PRIMARY KEY,
    company_id  uuid NOT NULL REFERENCES companies,
    -- Of the items, the state of their data and the options: two requests with the same one want the same bytes.
    fingerprint text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    media       text NOT NULL CHECK (media IN ('originals', 'compressed', 'both')),
    procedures  boolean NOT NULL,
    language    text NOT NULL CHECK (language IN ('en', 'es')),
    -- How long its archives live once the last of them has ended.
    life        interval NOT NULL,
    created_by  uuid NOT NULL REFERENCES users,
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    expires_at  timestamptz,
    deleted_at  timestamptz,
    -- When the archives of a deleted or expired export were removed from the volumes.
    cleaned_at  timestamptz
);
-- However often a person clicks, and on whatever process: one unfinished export.
CREATE UNIQUE INDEX exports_unfinished ON exports (company_id, fingerprint)
    WHERE finished_at IS NULL AND deleted_at IS NULL;
CREATE INDEX exports_page ON exports (company_id, id) WHERE deleted_at IS NULL;
CREATE INDEX exports_by_fingerprint ON exports (company_id, fingerprint, expires_at) WHERE deleted_at IS NULL;
CREATE INDEX exports_to_expire ON exports (expires_at) WHERE cleaned_at IS NULL;
CREATE INDEX exports_to_delete ON exports (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX exports_queue ON exports (id) WHERE finished_at IS NULL AND deleted_at IS NULL;

CREATE TABLE export_parts (
    id        uuid PRIMARY KEY,
    export_id uuid NOT NULL REFERENCES exports ON DELETE CASCADE,
    number    integer NOT NULL,
    -- In the order they stand in the archive.
    items     uuid[] NOT NULL,
    -- What the view shows of the archive, written by the transaction that completes the job.
    archive   jsonb,
    UNIQUE (export_id, number)
);

-- A UUIDv7 (RFC 9562), for rows that a statement makes by itself: the first 48 bits of a random one become the
-- milliseconds, and its version 4 becomes 7.
CREATE FUNCTION new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(
               set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
                                       PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                                       FROM 1 FOR 6), 52, 1), 53, 1),
               'hex')::uuid
$$;

-- An export ends with the last of its parts, however that one ended.
CREATE FUNCTION settle_export() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    settled uuid;
BEGIN
    -- The lock makes two parts that end at once see each other: the statement after it has a snapshot of its own.
    SELECT e.id INTO settled FROM exports e JOIN export_parts p ON p.export_id = e.id
     WHERE p.id = NEW.subject_id FOR UPDATE OF e;
    UPDATE exports SET finished_at = now(), expires_at = now() + life
     WHERE id = settled AND finished_at IS NULL
       AND NOT EXISTS (SELECT FROM export_parts p JOIN jobs j ON j.subject_id = p.id
                        WHERE p.export_id = settled AND j.state IN ('queued', 'running'));
    RETURN NULL;
END
$$;
CREATE TRIGGER settle_export AFTER UPDATE OF state ON jobs FOR EACH ROW
    WHEN (NEW.kind = 'zip.part' AND NEW.state IN ('done', 'failed') AND OLD.state <> NEW.state)
    EXECUTE FUNCTION settle_export();

-- An export as people see it. Its number in the queue counts those that no worker has begun.
CREATE VIEW export_details AS
SELECT e.id, e.company_id, e.fingerprint, e.media, e.procedures, e.language, e.created_at, e.finished_at, e.expires_at,
       CASE WHEN p.failed AND e.finished_at IS NOT NULL THEN 'failed'
            WHEN e.expires_at <= now() THEN 'expired'
            WHEN e.finished_at IS NOT NULL THEN 'ready'
            WHEN p.begun THEN 'processing'
            ELSE 'queued' END AS status,
       CASE WHEN NOT p.begun THEN
                 (SELECT count(*) FROM exports o
                   WHERE o.finished_at IS NULL AND o.deleted_at IS NULL AND o.id <= e.id
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
