-- Every volume that was ever used: without its marker, the directory in its place is not the volume.
CREATE TABLE volumes (
    name    text PRIMARY KEY,
    used_at timestamptz NOT NULL DEFAULT now()
);
