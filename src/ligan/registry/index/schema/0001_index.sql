-- The index of a registry.
--
--   tag -----------> manifest <------ manifest_child (the manifests of an index)
--   manifest ------> blob (its own bytes, whose text is in `document` too)
--   manifest_blob -> blob (config and layers)
--   link ----------> blob (a repository serves it), held by manifest_blob of that repository, or by a lease
--   alias ---------> blob (the same bytes by another algorithm's digest)
--
-- A blob is held by links and manifests, and goes with the last. A subject holds nothing.

CREATE TABLE repository (
    key  INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- A file below blobs/: a layer, a config or a manifest.
CREATE TABLE blob (
    key    INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,               -- sha256:<hex>
    size   INTEGER NOT NULL CHECK (size >= 0)  -- bytes on disk
) STRICT;

CREATE TABLE alias (
    digest TEXT PRIMARY KEY,                   -- sha512:<hex>, sha384:<hex>
    blob   INTEGER NOT NULL REFERENCES blob
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_blob ON alias (blob);

CREATE TABLE link (
    repository INTEGER NOT NULL REFERENCES repository,
    blob       INTEGER NOT NULL REFERENCES blob,
    PRIMARY KEY (repository, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_blob ON link (blob);

-- Keeps the link of pushes under way: each upload, mount and look is one, and ends with a manifest.
CREATE TABLE lease (
    repository INTEGER NOT NULL,
    blob       INTEGER NOT NULL,
    until      INTEGER NOT NULL,               -- nanoseconds since 1970
    pushes     INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (repository, blob),
    FOREIGN KEY (repository, blob) REFERENCES link
) STRICT, WITHOUT ROWID;
CREATE INDEX lease_until ON lease (until);

-- The bytes of a manifest.
CREATE TABLE document (
    blob INTEGER PRIMARY KEY REFERENCES blob,
    raw  BLOB NOT NULL
) STRICT;

CREATE TABLE manifest (
    key           INTEGER PRIMARY KEY,
    repository    INTEGER NOT NULL REFERENCES repository,
    blob          INTEGER NOT NULL REFERENCES blob,
    media_type    TEXT NOT NULL,               -- as it was pushed
    artifact_type TEXT NOT NULL,               -- empty: none
    subject       TEXT NOT NULL,               -- digest, empty: none
    annotations   TEXT NOT NULL,               -- JSON, empty: none
    pushed        INTEGER NOT NULL,            -- nanoseconds since 1970
    UNIQUE (repository, blob)
) STRICT;
CREATE INDEX manifest_blob_itself ON manifest (blob);
CREATE INDEX manifest_subject ON manifest (repository, subject) WHERE subject <> '';

CREATE TABLE manifest_blob (
    manifest INTEGER NOT NULL REFERENCES manifest,
    blob     INTEGER NOT NULL REFERENCES blob,
    PRIMARY KEY (manifest, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_blob_blob ON manifest_blob (blob);

CREATE TABLE manifest_child (
    parent INTEGER NOT NULL REFERENCES manifest,
    child  INTEGER NOT NULL REFERENCES manifest,
    PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_child_child ON manifest_child (child);

CREATE TABLE tag (
    repository INTEGER NOT NULL REFERENCES repository,
    name       TEXT NOT NULL,
    manifest   INTEGER NOT NULL REFERENCES manifest,
    moved      INTEGER NOT NULL,               -- nanoseconds since 1970
    PRIMARY KEY (repository, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_manifest ON tag (manifest);

-- What a tag has pointed to, as far as that is still there: registry:2 keeps a link for each.
CREATE TABLE tag_history (
    repository INTEGER NOT NULL REFERENCES repository,
    name       TEXT NOT NULL,
    manifest   INTEGER NOT NULL REFERENCES manifest,
    at         INTEGER NOT NULL,               -- the last time, nanoseconds since 1970
    PRIMARY KEY (repository, name, manifest)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_history_manifest ON tag_history (manifest);

CREATE TABLE upload (
    id         TEXT PRIMARY KEY,               -- UUID, also the folder's name
    repository INTEGER NOT NULL REFERENCES repository,
    started    INTEGER NOT NULL                -- nanoseconds since 1970
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_repository ON upload (repository);

-- Folders to remove, in this order; paths below docker/registry/v2.
CREATE TABLE outbox (
    key  INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE
) STRICT;
