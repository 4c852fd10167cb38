-- How many jobs of each kind stand where, without counting them: whoever changes jobs adds what changes, and nobody waits
-- for anybody. The rows are added up every few seconds. Those that are done are not counted.

CREATE TABLE job_counts (
    kind  text NOT NULL,
    state text NOT NULL,
    jobs  bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE FUNCTION count_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO job_counts SELECT kind, state, count(*) FROM added WHERE state <> 'done' GROUP BY kind, state;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO job_counts SELECT kind, state, -count(*) FROM gone WHERE state <> 'done' GROUP BY kind, state;
    ELSE
        INSERT INTO job_counts
        SELECT kind, state, sum(jobs)
          FROM (SELECT kind, state, 1 AS jobs FROM added UNION ALL SELECT kind, state, -1 FROM gone) changed
         WHERE state <> 'done' GROUP BY kind, state HAVING sum(jobs) <> 0;
    END IF;
    RETURN NULL;
END
$$;
LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE;
CREATE TRIGGER count_inserted AFTER INSERT ON jobs REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_jobs();
CREATE TRIGGER count_updated AFTER UPDATE ON jobs REFERENCING NEW TABLE AS added OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION count_jobs();
CREATE TRIGGER count_deleted AFTER DELETE ON jobs REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION count_jobs();
INSERT INTO job_counts SELECT kind, state, count(*) FROM jobs WHERE state <> 'done' GROUP BY kind, state;
