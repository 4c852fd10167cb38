-- Uploads that are not finished are limited, by number and by bytes, for each user and each company.

-- How far its holder may write before it asks again, where no length was declared.
ALTER TABLE uploads ADD COLUMN reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0);

-- Which limit an upload of so many bytes would pass beside the other unfinished ones; null if none. An upload counts with
-- the bytes it has, was said to have, or may have. The companies' uploads are counted one after the other, by the index
-- of a company's unfinished ones: the lock is kept to the end of the transaction, and each statement of this function
-- sees what was committed before it had the lock.
CREATE FUNCTION upload_excess(
    upload uuid, company uuid, owner uuid, wanted bigint,
    user_uploads bigint, user_bytes bigint, company_uploads bigint, company_bytes bigint
) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    held record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('tolva uploads ' || company, 0));
    SELECT count(*) FILTER (WHERE u.created_by = owner) AS user_uploads,
           coalesce(sum(greatest(u.length, u.received, u.reserved)) FILTER (WHERE u.created_by = owner), 0) AS user_bytes,
           count(*) AS company_uploads,
           coalesce(sum(greatest(u.length, u.received, u.reserved)), 0) AS company_bytes
      INTO held
      FROM uploads u WHERE u.company_id = company AND u.asset_id IS NULL AND u.id <> upload;
    RETURN CASE WHEN held.user_uploads >= user_uploads THEN 'user_uploads'
                WHEN held.company_uploads >= company_uploads THEN 'company_uploads'
                WHEN held.user_bytes + wanted > user_bytes THEN 'user_bytes'
                WHEN held.company_bytes + wanted > company_bytes THEN 'company_bytes' END;
END
$$;

-- A message of a confirmed job is lost if a worker has taken a job that was not even due when this one's message counted as
-- late: queues give their messages in the order they came. Each time it is announced again it is late later, so that
-- messages that only wait in another order do not double without end.
ALTER TABLE jobs ADD COLUMN announced_again integer NOT NULL DEFAULT 0 CHECK (announced_again >= 0);
ALTER TABLE jobs ADD COLUMN late_from timestamptz;
UPDATE jobs SET late_from = now() + interval '60 s' WHERE state = 'queued' AND announce_at = 'infinity';
CREATE INDEX jobs_confirmed ON jobs (kind, late_from) WHERE state = 'queued' AND announce_at = 'infinity';
