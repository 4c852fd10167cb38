-- Assets come in batches: the uploads they end are looked for once a batch.

DROP TRIGGER end_uploads ON assets;
CREATE OR REPLACE FUNCTION end_uploads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE uploads u SET asset_id = added.id FROM inserted added
     WHERE u.company_id = added.company_id AND u.sha256 = added.sha256 AND u.asset_id IS NULL
       AND u.item_id IS NOT DISTINCT FROM added.item_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER end_uploads AFTER INSERT ON assets REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION end_uploads();

-- How many of the same user's jobs waited when this one was accepted, with itself; 0 for one that is tried again.
ALTER TABLE jobs ADD COLUMN place integer NOT NULL DEFAULT 0;
