-- The local store. Who holds whom (an arrow is a foreign key, RESTRICT throughout):
--
--   reference ----> image ----> image (parent)
--   pin (image) --> image        |
--   container ----> image, layer |
--                   image ----> layer ----> layer (parent)
--                     |           |
--                     +--> blob <-+--- layer_blob
--   deletion <---- deletion_image ------> blob (config), layer (top)
--            <---- deletion_reference
--
-- An image lives until it is removed, tagged or not. A layer is *live* while an
-- image, a container or a live child stands on it: that is what Docker calls
-- existing. A layer that is not live is there for an undo entry only: the entry
-- names the top layer of a removed image, and through `parent` all below. A blob goes
-- when the last row that names it goes; its path then enters the outbox in the
-- same transaction. Times are nanoseconds since 1970, UTC.

CREATE TABLE blob (
    key    INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,              -- sha256:<hex> of the file's bytes
    size   INTEGER NOT NULL CHECK (size >= 0) -- bytes on disk
) STRICT;

CREATE TABLE layer (
    key        INTEGER PRIMARY KEY,
    chain_id   TEXT NOT NULL UNIQUE,
    parent     INTEGER REFERENCES layer (key) ON DELETE RESTRICT,
    diff_id    TEXT NOT NULL,
    size       INTEGER NOT NULL CHECK (size >= 0),      -- Docker's DiffSize
    chain_size INTEGER NOT NULL CHECK (chain_size >= size), -- DiffSize of the layer and all below
    depth      INTEGER NOT NULL CHECK (depth BETWEEN 1 AND 125),
    blob       INTEGER NOT NULL REFERENCES blob (key) ON DELETE RESTRICT, -- the uncompressed tar
    live       INTEGER NOT NULL CHECK (live IN (0, 1))
) STRICT;
CREATE INDEX layer_parent ON layer (parent, live);
CREATE INDEX layer_blob_of ON layer (blob);
CREATE INDEX layer_diff_id ON layer (diff_id);
CREATE VIEW live_layer AS SELECT * FROM layer WHERE live;

-- Compressed forms of a layer, kept so that a push gives the digest it was pulled by.
CREATE TABLE layer_blob (
    diff_id    TEXT NOT NULL,
    blob       INTEGER NOT NULL REFERENCES blob (key) ON DELETE RESTRICT,
    compressor TEXT NOT NULL,
    PRIMARY KEY (diff_id, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX layer_blob_blob ON layer_blob (blob);

CREATE TABLE image (
    key           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,       -- digest of the config
    config        INTEGER NOT NULL REFERENCES blob (key) ON DELETE RESTRICT,
    parent        INTEGER REFERENCES image (key) ON DELETE RESTRICT,
    layer         INTEGER REFERENCES layer (key) ON DELETE RESTRICT, -- the top one; none for an empty image
    created_s     INTEGER NOT NULL,           -- whole seconds; Go's zero time is in the year 1
    created_ns    INTEGER NOT NULL CHECK (created_ns BETWEEN 0 AND 999999999),
    os            TEXT NOT NULL,
    architecture  TEXT NOT NULL,
    variant       TEXT NOT NULL,
    labels        TEXT,                       -- JSON object, or NULL where the config has none
    built_locally INTEGER NOT NULL CHECK (built_locally IN (0, 1)),
    last_tagged   INTEGER,                    -- set by tag, build, commit and import only
    last_used     INTEGER
) STRICT;
CREATE INDEX image_parent ON image (parent);
CREATE INDEX image_layer ON image (layer);
CREATE INDEX image_config ON image (config);
CREATE INDEX image_created ON image (created_s DESC, created_ns DESC, id);

CREATE TABLE reference (
    name       TEXT PRIMARY KEY,              -- canonical: docker.io/library/app:1, or …@sha256:…
    repository TEXT NOT NULL,
    is_digest  INTEGER NOT NULL CHECK (is_digest IN (0, 1)),
    image      INTEGER NOT NULL REFERENCES image (key) ON DELETE RESTRICT,
    since      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_image ON reference (image);
CREATE INDEX reference_repository ON reference (repository);

-- What a name pointed at before: so that `<none>` can say "was app:1".
CREATE TABLE name_history (
    key   INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    image TEXT NOT NULL,                      -- image ID, living or not
    until INTEGER NOT NULL
) STRICT;
CREATE INDEX name_history_image ON name_history (image);
CREATE INDEX name_history_name ON name_history (name);

CREATE TABLE container (
    key   INTEGER PRIMARY KEY,
    id    TEXT NOT NULL UNIQUE,
    name  TEXT NOT NULL UNIQUE,
    image INTEGER REFERENCES image (key) ON DELETE RESTRICT,
    image_id TEXT NOT NULL,                   -- stays when the image is removed by force
    layer INTEGER REFERENCES layer (key) ON DELETE RESTRICT,
    state TEXT NOT NULL
) STRICT;
CREATE INDEX container_image ON container (image);
CREATE INDEX container_image_id ON container (image_id);
CREATE INDEX container_layer ON container (layer);

-- What nothing may delete: a glob over familiar names, or one image.
CREATE TABLE pin (
    pattern TEXT PRIMARY KEY,                 -- a glob, or an image ID
    image   INTEGER REFERENCES image (key) ON DELETE RESTRICT,
    since   INTEGER NOT NULL,
    reason  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pin_image ON pin (image);

-- One undo entry: what one command removed, kept until `until`.
CREATE TABLE deletion (
    key     INTEGER PRIMARY KEY AUTOINCREMENT,
    command TEXT NOT NULL,
    at      INTEGER NOT NULL,
    until   INTEGER NOT NULL
) STRICT;
CREATE INDEX deletion_until ON deletion (until);

CREATE TABLE deletion_image (
    deletion      INTEGER NOT NULL REFERENCES deletion (key) ON DELETE RESTRICT,
    id            TEXT NOT NULL,
    config        INTEGER NOT NULL REFERENCES blob (key) ON DELETE RESTRICT,
    parent        TEXT,                       -- image ID
    layer         INTEGER REFERENCES layer (key) ON DELETE RESTRICT,
    created_s     INTEGER NOT NULL,
    created_ns    INTEGER NOT NULL,
    os            TEXT NOT NULL,
    architecture  TEXT NOT NULL,
    variant       TEXT NOT NULL,
    labels        TEXT,
    built_locally INTEGER NOT NULL,
    last_tagged   INTEGER,
    last_used     INTEGER,
    PRIMARY KEY (deletion, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX deletion_image_id ON deletion_image (id);
CREATE INDEX deletion_image_config ON deletion_image (config);
CREATE INDEX deletion_image_layer ON deletion_image (layer);

CREATE TABLE deletion_reference (
    deletion INTEGER NOT NULL REFERENCES deletion (key) ON DELETE RESTRICT,
    name     TEXT NOT NULL,
    image    TEXT NOT NULL,
    since    INTEGER NOT NULL,
    PRIMARY KEY (deletion, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX deletion_reference_image ON deletion_reference (image);

-- Docker's events, written in the transaction of the change they tell.
CREATE TABLE event (
    key        INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    type       TEXT NOT NULL,
    action     TEXT NOT NULL,
    actor      TEXT NOT NULL,
    attributes TEXT NOT NULL                  -- JSON object
) STRICT;
CREATE INDEX event_at ON event (at);

-- Paths below the root that no row names any more.
CREATE TABLE outbox (
    key  INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;
