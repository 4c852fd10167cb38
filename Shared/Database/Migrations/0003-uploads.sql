-- Uploads that come in several requests: what any process needs to go on with one that another began.

CREATE TABLE uploads (
    id            uuid PRIMARY KEY,
    company_id    uuid NOT NULL REFERENCES companies,
    created_by    uuid NOT NULL REFERENCES users,
    item_id       uuid,
    -- Which protocol it was begun in: that of a request which does not say.
    protocol      text NOT NULL CHECK (protocol IN ('tus', 'ietf')),
    -- A part becomes no asset: it waits for the final upload that names it.
    role          text NOT NULL CHECK (role IN ('whole', 'part', 'final')),
    filename      text NOT NULL,
    declared_type text,
    -- As the client wrote them, for the answers that repeat them.
    metadata      text,
    concat        text,
    volume        text NOT NULL,
    -- What the client says it will be; unknown at first, perhaps.
    length        bigint CHECK (length >= 0),
    -- How many bytes are on stable storage. What the file holds beyond them counts for nothing.
    received      bigint NOT NULL DEFAULT 0 CHECK (received BETWEEN 0 AND coalesce(length, received)),
    -- The state of SHA-256 and CRC-32 after those bytes.
    sums          text NOT NULL,
    -- What the first bytes say; null until they are there.
    kind          text CHECK (kind IN ('image', 'video', 'document')),
    content_type  text,
    -- Of the whole file, once its last byte is there: nothing is written to it from then on.
    sha256        text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    -- Whose request writes it; only who has locked the file sets this, and changes the columns above.
    holder        uuid,
    -- Whose request wants it from the holder.
    claimant      uuid,
    asset_id      uuid REFERENCES assets ON DELETE CASCADE,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    FOREIGN KEY (company_id, item_id) REFERENCES items (company_id, id)
);
CREATE INDEX uploads_unfinished ON uploads (company_id) WHERE asset_id IS NULL;
CREATE INDEX uploads_expiry ON uploads (expires_at);
CREATE INDEX uploads_content ON uploads (company_id, sha256) WHERE asset_id IS NULL AND sha256 IS NOT NULL;

-- An upload ends in the transaction that makes an asset of its bytes, whoever runs it.
CREATE FUNCTION end_uploads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE uploads SET asset_id = NEW.id
     WHERE company_id = NEW.company_id AND sha256 = NEW.sha256 AND asset_id IS NULL
       AND item_id IS NOT DISTINCT FROM NEW.item_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER end_uploads AFTER INSERT ON assets FOR EACH ROW EXECUTE FUNCTION end_uploads();
