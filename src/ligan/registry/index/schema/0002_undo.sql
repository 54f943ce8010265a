-- What deletes have taken away, as long as it can be brought back.
--
--   deletion <- deletion_manifest ------> blob
--                 <- deletion_manifest_blob -> blob
--                 <- deletion_manifest_child, deletion_manifest_absent  (digests)
--            <- deletion_link ----------> blob
--            <- deletion_tag, deletion_tag_history  (digests)
--
-- An entry holds the blobs that its rows name by key; what it names by digest may go. Repositories are named,
-- since theirs may be gone.

-- What one command or request deleted.
CREATE TABLE deletion (
    key       INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice
    command   TEXT NOT NULL,
    at        INTEGER NOT NULL,                   -- nanoseconds since 1970
    until     INTEGER NOT NULL,                   -- nanoseconds since 1970
    restoring INTEGER NOT NULL DEFAULT 0          -- 1: its links may be on the disk already, its rows are not
) STRICT;
CREATE INDEX deletion_until ON deletion (until);

CREATE TABLE deletion_manifest (
    key           INTEGER PRIMARY KEY,
    deletion      INTEGER NOT NULL REFERENCES deletion,
    repository    TEXT NOT NULL,
    blob          INTEGER NOT NULL REFERENCES blob,
    media_type    TEXT NOT NULL,
    artifact_type TEXT NOT NULL,
    subject       TEXT NOT NULL,
    annotations   TEXT NOT NULL,
    pushed        INTEGER NOT NULL,
    UNIQUE (deletion, repository, blob)
) STRICT;
CREATE INDEX deletion_manifest_itself ON deletion_manifest (blob);

CREATE TABLE deletion_manifest_blob (
    manifest INTEGER NOT NULL REFERENCES deletion_manifest,
    blob     INTEGER NOT NULL REFERENCES blob,
    PRIMARY KEY (manifest, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX deletion_manifest_blob_blob ON deletion_manifest_blob (blob);

CREATE TABLE deletion_manifest_child (
    manifest INTEGER NOT NULL REFERENCES deletion_manifest,
    child    TEXT NOT NULL,
    PRIMARY KEY (manifest, child)
) STRICT, WITHOUT ROWID;

-- What it named that its repository did not have (`absent`).
CREATE TABLE deletion_manifest_absent (
    manifest INTEGER NOT NULL REFERENCES deletion_manifest,
    digest   TEXT NOT NULL,
    child    INTEGER NOT NULL,
    PRIMARY KEY (manifest, digest, child)
) STRICT, WITHOUT ROWID;

-- The link of a blob that was deleted by itself; those of manifests follow from what these name.
CREATE TABLE deletion_link (
    deletion   INTEGER NOT NULL REFERENCES deletion,
    repository TEXT NOT NULL,
    blob       INTEGER NOT NULL REFERENCES blob,
    PRIMARY KEY (deletion, repository, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX deletion_link_blob ON deletion_link (blob);

CREATE TABLE deletion_tag (
    deletion   INTEGER NOT NULL REFERENCES deletion,
    repository TEXT NOT NULL,
    name       TEXT NOT NULL,
    manifest   TEXT NOT NULL,
    moved      INTEGER NOT NULL,
    PRIMARY KEY (deletion, repository, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE deletion_tag_history (
    deletion   INTEGER NOT NULL REFERENCES deletion,
    repository TEXT NOT NULL,
    name       TEXT NOT NULL,
    manifest   TEXT NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (deletion, repository, name, manifest)
) STRICT, WITHOUT ROWID;

-- Which blobs an entry holds.
CREATE VIEW deletion_blob (deletion, blob) AS
    SELECT deletion, blob FROM deletion_manifest
    UNION ALL SELECT deletion, deletion_manifest_blob.blob
              FROM deletion_manifest_blob JOIN deletion_manifest ON deletion_manifest.key = manifest
    UNION ALL SELECT deletion, blob FROM deletion_link;
