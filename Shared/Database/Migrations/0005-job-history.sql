-- What became of each attempt of a job, whoever ended it.

-- The newest last, at most 20: {attempt, fence, worker, started_at, ended_at, outcome, reason}.
ALTER TABLE jobs ADD COLUMN history jsonb NOT NULL DEFAULT '[]';
-- The operator looks for these, and they are counted every few seconds.
CREATE INDEX jobs_failed ON jobs (id) INCLUDE (kind) WHERE state = 'failed';

CREATE FUNCTION note_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    outcome text := CASE
        -- Another worker claims it.
        WHEN NEW.state = 'running' THEN 'lease ended'
        WHEN NEW.state = 'done' THEN 'completed'
        -- Only who takes the job from its worker fails it under another fence.
        WHEN NEW.state = 'failed' AND NEW.fence <> OLD.fence THEN 'discarded'
        WHEN NEW.state = 'failed' THEN 'failed'
        WHEN NEW.attempt >= OLD.attempt THEN 'retried'
        WHEN NEW.reason IS NULL THEN 'handed back'
        ELSE 'postponed' END;
BEGIN
    NEW.history := OLD.history || jsonb_build_object(
        'attempt', OLD.attempt,
        'fence', OLD.fence,
        'worker', OLD.worker,
        'started_at', OLD.started_at,
        'ended_at', CASE WHEN outcome = 'lease ended' THEN OLD.lease_until ELSE now() END,
        'outcome', outcome,
        -- What an earlier attempt met may still stand on the row.
        'reason', CASE WHEN outcome NOT IN ('lease ended', 'completed') THEN NEW.reason END);
    IF jsonb_array_length(NEW.history) > 20 THEN
        NEW.history := NEW.history - 0;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER note_attempt BEFORE UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.state = 'running' AND (NEW.state <> 'running' OR NEW.fence <> OLD.fence))
    EXECUTE FUNCTION note_attempt();

-- A job as the operator sees it, with what it is about. One whose subject is gone has no company.
CREATE VIEW job_details AS
SELECT j.id, j.kind, j.subject_id, j.state, j.attempt, j.max_attempts, j.fence, j.progress, j.run_after, j.lease_until,
       j.announce_at = 'infinity' AS announced, j.worker, j.reason, j.created_at, j.started_at, j.finished_at, j.history,
       c.id AS company_id, c.name AS company, a.filename, i.code AS item, e.id AS export_id, p.number AS part
  FROM jobs j
  LEFT JOIN assets a ON a.id = j.subject_id
  LEFT JOIN items i ON i.id = a.item_id
  LEFT JOIN export_parts p ON p.id = j.subject_id
  LEFT JOIN exports e ON e.id = p.export_id
  LEFT JOIN companies c ON c.id = coalesce(a.company_id, e.company_id);
