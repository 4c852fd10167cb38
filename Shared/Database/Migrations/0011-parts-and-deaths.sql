-- A part is bounded by files and bytes as well as by items, so one item may fill several. Which assets are in which part
-- is fixed when the export is accepted, by the ids between which they lie: every attempt takes the same ones.

ALTER TABLE export_parts
    -- Of its first item, only the assets behind this one: those before are in the part before.
    ADD COLUMN after_asset uuid,
    -- Of its last item, only the assets up to this one: the others are in the next part.
    ADD COLUMN through_asset uuid,
    -- Whether the company's own documents go in, if the export wants them at all; and which of them, in the same way.
    ADD COLUMN procedures boolean NOT NULL DEFAULT true,
    ADD COLUMN after_procedure uuid,
    ADD COLUMN through_procedure uuid;

-- Cuts items into parts: an item with files after the other in the order wanted, each item's assets by their ids.
--
-- The company's documents go into every part, unless they would take more than half of one: then they stand once, behind
-- the last item. An item without files is only a row of the workbook, and stands in the part of the one before.
--
-- Bytes are what an archive has at most, so that it stays below its bound: 9216 for an entry's header, its padding to a
-- block, its lines in workbook and manifest; 65536 for what every archive has. A rendition that is still being made
-- counts as twice its original. A file that is larger than a part has one of its own.
CREATE FUNCTION plan_parts(
    of_company uuid,
    wanted uuid[],
    of_media text,
    with_procedures boolean,
    most_items integer,
    most_files integer,
    most_bytes bigint
) RETURNS TABLE (
    part_number integer,
    part_items uuid[],
    begins_after uuid,
    ends_with uuid,
    has_procedures boolean,
    procedures_after uuid,
    procedures_through uuid
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    base_files bigint := 0;
    base_bytes bigint := 65536;
    is_apart boolean := false;
    files bigint;
    bytes bigint;
    -- Items of the part that have files, so far.
    filled integer := 0;
    last_item uuid;
    last_asset uuid;
    is_same boolean;
    entry record;
BEGIN
    IF with_procedures THEN
        SELECT count(*), coalesce(sum(a.bytes + a.bytes / 1024 + 9216), 0) INTO files, bytes
          FROM assets a
         WHERE a.company_id = of_company AND a.item_id IS NULL AND a.kind = 'document' AND a.deleted_at IS NULL;
        is_apart := files > most_files / 2 OR bytes > most_bytes / 2;
        IF NOT is_apart THEN
            base_files := files;
            base_bytes := base_bytes + bytes;
        END IF;
    END IF;
    part_number := 1;
    part_items := '{}';
    has_procedures := with_procedures AND NOT is_apart;
    files := base_files;
    bytes := base_bytes;

    FOR entry IN
        SELECT w.item, a.id AS asset, 4096 + 2 * octet_length(i.attributes::text)::bigint AS item_bytes, a.files,
               a.bytes + 9216 * a.files AS bytes
          FROM unnest(wanted) WITH ORDINALITY AS w (item, place)
          JOIN items i ON i.id = w.item AND i.company_id = of_company
          LEFT JOIN LATERAL (
               SELECT f.id, 1 + (of_media = 'both' AND (r.bytes IS NOT NULL OR s.is_pending))::integer AS files,
                      CASE WHEN of_media = 'compressed' AND (r.bytes IS NOT NULL OR s.is_pending) THEN 0
                           WHEN f.kind = 'document' THEN f.bytes + f.bytes / 1024
                           ELSE f.bytes END
                      + coalesce(r.bytes, CASE WHEN s.is_pending THEN 2 * f.bytes END, 0) AS bytes
                 FROM assets f
                 LEFT JOIN renditions r ON of_media <> 'originals' AND r.asset_id = f.id
                       AND r.name = CASE f.kind WHEN 'image' THEN 'compressed' WHEN 'video' THEN '720p' END
                 CROSS JOIN LATERAL (
                      SELECT CASE WHEN of_media = 'originals' OR r.bytes IS NOT NULL THEN false
                                  ELSE EXISTS (SELECT FROM jobs j WHERE j.subject_id = f.id
                                                  AND j.state IN ('queued', 'running')) END AS is_pending) s
                WHERE f.item_id = w.item AND f.company_id = of_company AND f.deleted_at IS NULL) a ON true
         ORDER BY w.place, a.id
    LOOP
        is_same := last_item IS NOT DISTINCT FROM entry.item;
        IF entry.asset IS NOT NULL THEN
            IF filled > 0 AND (
                (NOT is_same AND filled >= most_items)
                OR files + entry.files > most_files
                OR bytes + entry.bytes + CASE WHEN is_same THEN 0 ELSE entry.item_bytes END > most_bytes)
            THEN
                ends_with := CASE WHEN is_same THEN last_asset END;
                RETURN NEXT;
                part_number := part_number + 1;
                part_items := '{}';
                begins_after := ends_with;
                files := base_files;
                bytes := base_bytes;
                filled := 0;
                is_same := false;
            END IF;
            files := files + entry.files;
            bytes := bytes + entry.bytes;
            IF NOT is_same THEN filled := filled + 1; END IF;
        END IF;
        IF NOT is_same THEN
            part_items := part_items || entry.item;
            bytes := bytes + entry.item_bytes;
        END IF;
        last_item := entry.item;
        last_asset := entry.asset;
    END LOOP;
    ends_with := NULL;

    IF is_apart THEN
        FOR entry IN
            SELECT a.id, a.bytes + a.bytes / 1024 + 9216 AS bytes FROM assets a
             WHERE a.company_id = of_company AND a.item_id IS NULL AND a.kind = 'document' AND a.deleted_at IS NULL
             ORDER BY a.id
        LOOP
            IF (filled > 0 OR has_procedures) AND (files + 1 > most_files OR bytes + entry.bytes > most_bytes) THEN
                procedures_through := CASE WHEN has_procedures THEN last_asset END;
                RETURN NEXT;
                part_number := part_number + 1;
                part_items := '{}';
                begins_after := NULL;
                procedures_after := procedures_through;
                procedures_through := NULL;
                files := 0;
                bytes := base_bytes;
                filled := 0;
            END IF;
            has_procedures := true;
            files := files + 1;
            bytes := bytes + entry.bytes;
            last_asset := entry.id;
        END LOOP;
    END IF;
    RETURN NEXT;
END
$$;

-- With whether a part's last item goes on in the next one.
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
                  'continues', p.through_asset IS NOT NULL,
                  -- What an earlier attempt met says nothing of the one that is under way.
                  'error', CASE WHEN j.state IN ('queued', 'failed') THEN j.reason END,
                  'archive', CASE WHEN j.state = 'done' AND (e.expires_at IS NULL OR e.expires_at > now())
                                  THEN p.archive END) ORDER BY p.number) AS parts
         FROM export_parts p JOIN jobs j ON j.subject_id = p.id
        WHERE p.export_id = e.id) p
 WHERE e.deleted_at IS NULL;

-- A job that merely ran beside the one that killed the worker must not end for it: who was lost so twice is next run
-- alone in its worker, and only a death alone can be a job's last.
ALTER TABLE jobs
    -- Attempts that ended with the silence of their worker.
    ADD COLUMN lost integer NOT NULL DEFAULT 0,
    -- Whether the attempt under way has its worker to itself.
    ADD COLUMN alone boolean NOT NULL DEFAULT false;
