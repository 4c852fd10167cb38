-- What the checker and the collector look up, and what is remembered of them.

-- Whether any asset of a company is made of the bytes of a file.
CREATE INDEX assets_file ON assets (sha256, company_id) WHERE deleted_at IS NULL;

-- When work that one process does for all was last done.
CREATE TABLE upkeep (
    name        text PRIMARY KEY,
    finished_at timestamptz NOT NULL
);
