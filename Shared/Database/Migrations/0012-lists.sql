-- How long an item's attributes are as text, so that a page of items can be bounded without reading those it leaves out.
ALTER TABLE items ADD COLUMN attributes_bytes integer NOT NULL GENERATED ALWAYS AS (octet_length(attributes::text)) STORED;
