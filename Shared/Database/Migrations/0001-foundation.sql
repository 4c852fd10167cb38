-- Companies, users, items, assets with their renditions, and the one table of jobs.

CREATE TABLE companies (
    id         uuid PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    company_id    uuid NOT NULL REFERENCES companies,
    email         text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    role          text NOT NULL CHECK (role IN ('admin', 'member', 'viewer')),
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- A token is random and leaves the process once; only its SHA-256 is kept.
CREATE TABLE sessions (
    token_hash text PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE items (
    id         uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    code       text NOT NULL,
    name       text NOT NULL,
    kind       text NOT NULL,
    attributes jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    UNIQUE (company_id, id)
);
CREATE UNIQUE INDEX items_code ON items (company_id, code) WHERE deleted_at IS NULL;
CREATE INDEX items_page ON items (company_id, id) WHERE deleted_at IS NULL;

-- Where an asset stands is not stored: it is the state of its job (see jobs.subject_id).
CREATE TABLE assets (
    id               uuid PRIMARY KEY,
    company_id       uuid NOT NULL REFERENCES companies,
    item_id          uuid,
    kind             text NOT NULL CHECK (kind IN ('image', 'video', 'document')),
    filename         text NOT NULL,
    content_type     text NOT NULL,
    volume           text NOT NULL,
    sha256           text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    crc32            bigint NOT NULL,
    bytes            bigint NOT NULL,
    width            integer,
    height           integer,
    duration_seconds double precision,
    created_by       uuid NOT NULL REFERENCES users,
    created_at       timestamptz NOT NULL DEFAULT now(),
    deleted_at       timestamptz,
    FOREIGN KEY (company_id, item_id) REFERENCES items (company_id, id)
);
-- The same bytes on the same item are one asset, however often a phone sends them.
CREATE UNIQUE INDEX assets_content ON assets (company_id, item_id, sha256) NULLS NOT DISTINCT
    WHERE deleted_at IS NULL;
CREATE INDEX assets_page ON assets (company_id, id) WHERE deleted_at IS NULL;
CREATE INDEX assets_of_item ON assets (item_id, id) WHERE deleted_at IS NULL;

CREATE TABLE renditions (
    asset_id     uuid NOT NULL REFERENCES assets ON DELETE CASCADE,
    name         text NOT NULL,
    content_type text NOT NULL,
    bytes        bigint NOT NULL,
    width        integer,
    height       integer,
    volume       text NOT NULL,
    path         text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (asset_id, name)
);

-- One row a piece of background work: outbox, queue and history at once. A message carries only the id.
CREATE TABLE jobs (
    id           uuid PRIMARY KEY,
    kind         text NOT NULL,
    subject_id   uuid NOT NULL UNIQUE,
    state        text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed')),
    attempt      integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 5,
    -- Grows with every claim; a worker that holds an older one can change nothing.
    fence        bigint NOT NULL DEFAULT 0,
    progress     double precision NOT NULL DEFAULT 0,
    run_after    timestamptz NOT NULL DEFAULT now(),
    lease_until  timestamptz,
    -- When the sweeper announces the job to the broker if nothing has happened by then.
    announce_at  timestamptz NOT NULL DEFAULT now() + interval '30 s',
    worker       text,
    reason       text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    finished_at  timestamptz
);
CREATE INDEX jobs_to_announce ON jobs (announce_at) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_unfinished ON jobs (kind, run_after) WHERE state = 'queued';

-- An asset as people see it. What its job does is its status; without a job it is ready as it is.
CREATE VIEW asset_details AS
SELECT a.id, a.company_id, a.item_id, a.kind, a.filename, a.content_type, a.volume, a.sha256, a.crc32, a.bytes,
       a.width, a.height, a.duration_seconds, a.created_at,
       CASE j.state WHEN 'queued' THEN 'queued' WHEN 'running' THEN 'processing' WHEN 'failed' THEN 'failed'
                    ELSE 'ready' END AS status,
       CASE WHEN j.state = 'failed' THEN j.reason END AS error,
       CASE WHEN j.id IS NULL THEN 1 ELSE j.progress END AS progress,
       CASE WHEN j.id IS NULL THEN a.created_at ELSE j.finished_at END AS processed_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object(
                            'name', r.name, 'contentType', r.content_type, 'bytes', r.bytes, 'width', r.width,
                            'height', r.height, 'volume', r.volume, 'path', r.path) ORDER BY r.name)
                   FROM renditions r WHERE r.asset_id = a.id), '[]') AS renditions
  FROM assets a LEFT JOIN jobs j ON j.subject_id = a.id
 WHERE a.deleted_at IS NULL;

-- Ends the transaction unless the caller still holds the lease it claimed: the statements after it
-- in the same transaction are safe to run.
CREATE FUNCTION require_lease(job uuid, held bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM jobs WHERE id = job AND fence = held AND state = 'running' FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the lease of job % with fence % is gone', job, held USING ERRCODE = 'TL001';
    END IF;
END
$$;

-- Every running process, as it last reported itself.
CREATE TABLE instances (
    id           text PRIMARY KEY,
    service      text NOT NULL,
    version      text NOT NULL,
    host         text NOT NULL,
    process_id   integer NOT NULL,
    memory_bytes bigint NOT NULL,
    work         jsonb NOT NULL DEFAULT '[]',
    started_at   timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL DEFAULT now()
);
