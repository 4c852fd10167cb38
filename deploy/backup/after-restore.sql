-- What a dump says of a time that is over. Kept in each backup, since it belongs to the dump's schema, and run in the
-- transaction that loads the dump.
SET search_path = public;

-- No worker of that time holds anything: what they had begun is handed back, uncharged.
UPDATE jobs SET state = 'queued', attempt = attempt - 1, reason = NULL, lease_until = NULL, progress = 0
 WHERE state = 'running';

-- The bytes of uploads that were under way are not in a backup: they answer 404, and clients begin them anew.
DELETE FROM uploads WHERE asset_id IS NULL;

-- Nor are ZIPs. Those whose time is not over are built again, of the same request the newest.
UPDATE exports e SET expires_at = now()
 WHERE finished_at IS NOT NULL AND expires_at > now() AND deleted_at IS NULL
   AND EXISTS (SELECT FROM exports o
                WHERE o.company_id = e.company_id AND o.fingerprint = e.fingerprint AND o.deleted_at IS NULL
                  AND (o.finished_at IS NULL OR (o.expires_at > now() AND o.id > e.id)));
UPDATE jobs SET state = 'queued', attempt = 0, reason = NULL, progress = 0, finished_at = NULL
 WHERE state = 'done'
   AND subject_id IN (SELECT p.id FROM export_parts p JOIN exports e ON e.id = p.export_id
                       WHERE e.deleted_at IS NULL AND (e.finished_at IS NULL OR e.expires_at > now()));
UPDATE exports e SET finished_at = NULL, expires_at = NULL
 WHERE finished_at IS NOT NULL AND expires_at > now() AND deleted_at IS NULL
   AND EXISTS (SELECT FROM export_parts p JOIN jobs j ON j.subject_id = p.id
                WHERE p.export_id = e.id AND j.state = 'queued');

-- The broker knows of no job. What was done after the dump may have left files under the fences that would come next.
UPDATE jobs SET run_after = now(), announce_at = now(), fence = fence + 1000 WHERE state = 'queued';
