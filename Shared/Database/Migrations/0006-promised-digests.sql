-- What a client says the whole file adds up to, whichever request of the upload said so.
ALTER TABLE uploads ADD COLUMN promised_sha256 text CHECK (promised_sha256 ~ '^[0-9a-f]{64}$');
