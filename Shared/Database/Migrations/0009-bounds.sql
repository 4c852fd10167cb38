-- What is computed with has bounds, whoever writes it. The rows that are there were written by this program, and are not
-- read once more.
ALTER TABLE jobs ADD CONSTRAINT jobs_progress CHECK (progress BETWEEN 0 AND 1) NOT VALID;
ALTER TABLE assets ADD CONSTRAINT assets_size CHECK (bytes BETWEEN 0 AND 1125899906842624) NOT VALID;
ALTER TABLE renditions ADD CONSTRAINT renditions_size CHECK (bytes BETWEEN 0 AND 1125899906842624) NOT VALID;
