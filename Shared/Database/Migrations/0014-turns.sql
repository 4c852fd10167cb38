-- Whose turn it is: a message is a ticket for a slot, and the rows decide which job that takes.

ALTER TABLE jobs
    -- 0: a person waits; 1: one of many; 2: long; 3: nobody waits.
    ADD COLUMN lane smallint NOT NULL DEFAULT 0 CHECK (lane BETWEEN 0 AND 3),
    ADD COLUMN requested_by uuid,
    -- A message that was lost is nobody's any more.
    DROP COLUMN announced_again,
    DROP COLUMN late_from;
CREATE INDEX jobs_turn ON jobs (kind, lane, company_id, run_after) WHERE state = 'queued';
CREATE INDEX jobs_running ON jobs (kind, company_id) WHERE state = 'running';
CREATE INDEX jobs_awaited ON jobs (requested_by, kind) WHERE state = 'queued' AND lane = 0;
-- Its claims are in jobs_turn, its counts in jobs_to_announce.
DROP INDEX jobs_unfinished;

-- How many jobs of a kind a user waits for, up to where it does not matter any more.
CREATE FUNCTION waiting_of(owner uuid, of_kind text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM (SELECT FROM jobs
                           WHERE requested_by = owner AND kind = of_kind AND state = 'queued' AND lane = 0 LIMIT 100) few
$$;
