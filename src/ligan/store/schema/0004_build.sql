-- Building without an image of every step.
--
--   build_cache --> layer                         (0001)
--
-- A layer that the build cache holds is live: it exists as Docker's layers do, and a build stands on it. Times
-- are nanoseconds since 1970, UTC.

-- What a container is for: '' is a user's, 'build' runs a step and goes with the build. No listing shows that.
ALTER TABLE container ADD COLUMN purpose TEXT NOT NULL DEFAULT '';

-- What builds have made and can use again: layers of steps, and the folders of `RUN --mount=type=cache`.
CREATE TABLE build_cache (
    key         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,                -- 25 letters and digits; the name of a cache mount's folder
    step        TEXT NOT NULL,                       -- digest of all that the step, or the mount, depends on
    content     TEXT,                                -- the same by what was copied, not by where it came from
    kind        TEXT NOT NULL CHECK (kind IN ('regular', 'exec.cachemount')),
    layer       INTEGER REFERENCES layer (key) ON DELETE RESTRICT,
    description TEXT NOT NULL,
    created     INTEGER NOT NULL,
    last_used   INTEGER NOT NULL,
    uses        INTEGER NOT NULL DEFAULT 0,          -- besides the first
    CHECK ((layer IS NULL) = (kind = 'exec.cachemount'))
) STRICT;
CREATE INDEX build_cache_step ON build_cache (step, key);
CREATE INDEX build_cache_content ON build_cache (content);
CREATE INDEX build_cache_layer ON build_cache (layer);
