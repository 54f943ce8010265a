-- What pulls and pushes leave behind, so that an image goes back as it came and no layer is sent twice.
--
--   manifest -----> image, or deletion_image (by ID): goes with the last of them
--   layer_remote -> layer (by diff ID): goes with the last of them

-- A manifest that an image was pulled by. Each of its layers is known to unpack to the image's diff ID.
CREATE TABLE manifest (
    key        INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,          -- sha256:<hex> of `raw`
    image      TEXT NOT NULL,                 -- image ID, living or in an undo entry
    media_type TEXT NOT NULL,
    raw        BLOB NOT NULL
) STRICT;
CREATE INDEX manifest_image ON manifest (image);

-- Where a compressed form of a layer was pulled from or pushed to, and found to be what it claims.
CREATE TABLE layer_remote (
    diff_id    TEXT NOT NULL,
    repository TEXT NOT NULL,                 -- canonical: docker.io/library/app
    digest     TEXT NOT NULL,                 -- of the compressed form
    size       INTEGER NOT NULL CHECK (size >= 0),
    compressor TEXT NOT NULL,                 -- as in layer_blob
    PRIMARY KEY (diff_id, repository, digest)
) STRICT, WITHOUT ROWID;
