-- Serving a folder that another registry has filled, or changes in turn.

-- What a manifest names and its repository has not: a layer that is elsewhere, an image of an index that was
-- never copied, a blob that is lost. It becomes an edge when it comes.
CREATE TABLE absent (
    manifest INTEGER NOT NULL REFERENCES manifest ON DELETE CASCADE,
    digest   TEXT NOT NULL,
    child    INTEGER NOT NULL,                 -- 1: a manifest, 0: a blob
    PRIMARY KEY (manifest, digest, child)
) STRICT, WITHOUT ROWID;
CREATE INDEX absent_digest ON absent (digest);

-- One row from a start until all on the disk has been compared with the index: no blob is unlinked meanwhile.
CREATE TABLE verifying (
    one INTEGER PRIMARY KEY CHECK (one = 1)
) STRICT;

-- The outbox, with the time of each row: what another registry has written to since then is not taken away.
CREATE TABLE dated_outbox (
    key  INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    at   INTEGER NOT NULL                      -- milliseconds since 1970
         DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
) STRICT;
INSERT INTO dated_outbox (key, path) SELECT key, path FROM outbox;
DROP TABLE outbox;
ALTER TABLE dated_outbox RENAME TO outbox;
