-- Lists that cost the same however many rows there are: what they filter by stands in an index that ends in their order.

CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

-- Text as it is searched: without accents, in small letters, signs as spaces, a space before each word.
CREATE FUNCTION search_text(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ' ' || lower(regexp_replace(regexp_replace(normalize($1, NFKD), '[\u0300-\u036F]+', '', 'g'),
                                       '[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007F]+', ' ', 'g'))
$$;
ALTER TABLE items ADD COLUMN search text NOT NULL GENERATED ALWAYS AS (search_text(code || ' ' || name)) STORED;
CREATE INDEX items_search ON items USING gin (company_id, search gin_trgm_ops) WHERE deleted_at IS NULL;
CREATE INDEX items_kind ON items (company_id, kind, id) WHERE deleted_at IS NULL;

CREATE INDEX assets_kind ON assets (company_id, kind, id) WHERE deleted_at IS NULL;

-- Whose work it is; nobody's, if what it is about is gone. Jobs that were done before are not written again for it; one that is queued again gets it then.
ALTER TABLE jobs ADD COLUMN company_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
CREATE FUNCTION company_of(subject uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT company_id FROM assets WHERE id = subject),
                    (SELECT e.company_id FROM export_parts p JOIN exports e ON e.id = p.export_id WHERE p.id = subject),
                    '00000000-0000-0000-0000-000000000000')
$$;
UPDATE jobs SET company_id = company_of(subject_id) WHERE state <> 'done';
-- Where assets stand that are not ready, in the order of their list.
CREATE INDEX jobs_of_assets ON jobs (company_id, state, subject_id) WHERE state <> 'done' AND kind <> 'zip.part';
