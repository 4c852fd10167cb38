"""A company with very many items and assets, written by SQL: no files, only rows."""

import subprocess

ASSETS_PER_ITEM = 10
COMPANY = "(SELECT company_id FROM users LIMIT 1)"

# Ids whose order is that of their numbers, as UUIDv7 have.
FILL = """
CREATE FUNCTION pg_temp.numbered(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(1760000000000 + n), 12, '0') || '7000' || '8000'
            || lpad(to_hex(hashint8(n)::bigint & 281474976710655), 12, '0'))::uuid
$$;
INSERT INTO items (id, company_id, code, name, kind, attributes)
SELECT pg_temp.numbered(n * 20), owner.company_id, 'EQ-' || lpad(n::text, 7, '0'),
       (array['Bomba', 'Válvula', 'Motor', 'Compresor', 'Tablero', 'Tanque'])[1 + n % 6] || ' '
       || (array['centrífuga', 'eléctrica', 'de aire', 'principal', 'número'])[1 + n % 5] || ' ' || md5(n::text),
       (array['equipment', 'order'])[1 + n % 2], jsonb_build_object('serial', md5(n::text))
  FROM generate_series(1, :items) n, (SELECT company_id FROM users LIMIT 1) owner;
INSERT INTO assets (id, company_id, item_id, kind, filename, content_type, volume, sha256, crc32, bytes, width, height,
                    created_by)
SELECT pg_temp.numbered(n * 20 + k), owner.company_id, pg_temp.numbered(n * 20),
       CASE WHEN k = 9 THEN 'document' ELSE 'image' END, 'IMG_' || k || '.jpg', 'image/jpeg', 'main',
       encode(sha256((n || ' ' || k)::bytea), 'hex'), 1, 3000000, 4000, 3000, owner.id
  FROM generate_series(1, :items) n, generate_series(1, 10) k, (SELECT id, company_id FROM users LIMIT 1) owner;
INSERT INTO renditions (asset_id, name, content_type, bytes, width, height, volume, path)
SELECT a.id, name, 'image/jpeg', 200000, 1920, 1440, 'main', 'renditions/' || a.id || '/' || name
  FROM assets a, unnest(array['compressed', 'thumbnail']) name WHERE a.kind = 'image';
-- Forty have failed and forty wait, however many there are; nobody has to announce them today.
INSERT INTO jobs (id, kind, subject_id, state, attempt, progress, reason, started_at, finished_at, run_after, announce_at)
SELECT gen_random_uuid(), 'media.image', id, state, 1, (state = 'done')::integer,
       CASE WHEN state = 'failed' THEN 'This file is damaged.' END, now(), CASE WHEN state <> 'queued' THEN now() END,
       now() + interval '1 day', 'infinity'
  FROM (SELECT id, CASE WHEN place <= 40 THEN 'failed' WHEN place <= 80 THEN 'queued' ELSE 'done' END AS state
          FROM (SELECT id, row_number() OVER (ORDER BY hashtext(id::text)) AS place
                  FROM assets WHERE kind = 'image') image) image;
-- Two hundred exports that wait, of four companies.
INSERT INTO companies (id, name) SELECT pg_temp.numbered(n), 'Neighbour ' || n FROM generate_series(1, 3) n;
INSERT INTO exports (id, company_id, fingerprint, media, procedures, language, life, created_by)
SELECT pg_temp.numbered(n), CASE n % 4 WHEN 0 THEN owner.company_id ELSE pg_temp.numbered(n % 4) END,
       encode(sha256(n::text::bytea), 'hex'), 'originals', false, 'en', interval '1 day', owner.id
  FROM generate_series(1000, 1199) n, (SELECT id, company_id FROM users LIMIT 1) owner;
INSERT INTO export_parts (id, export_id, number, items) SELECT gen_random_uuid(), id, 1, '{}' FROM exports;
INSERT INTO jobs (id, kind, subject_id, run_after, announce_at)
SELECT gen_random_uuid(), 'zip.part', id, now() + interval '1 day', 'infinity' FROM export_parts;
"""
# Builds before this column have none.
OWNERS = "UPDATE jobs SET company_id = company_of(subject_id) WHERE state <> 'done'"
HAS_OWNERS = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'jobs' AND column_name = 'company_id'"


def fill(database_url, assets):
    """Gives ids of items that a client may look at."""
    items = max(1, assets // ASSETS_PER_ITEM)
    run(database_url, FILL, items=items)
    if run(database_url, HAS_OWNERS) == "1":
        run(database_url, OWNERS)
    run(database_url, "VACUUM ANALYZE")
    chosen = "SELECT id FROM (SELECT id FROM items ORDER BY hashtext(id::text) LIMIT 200) item"
    return run(database_url, chosen).split()


def run(database_url, sql, **variables):
    command = ["psql", database_url, "-qAt", "-v", "ON_ERROR_STOP=1"]
    command += [argument for name, value in variables.items() for argument in ("-v", f"{name}={value}")]
    # VACUUM runs outside a transaction, so the whole is none.
    return subprocess.run(command, input=sql, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
