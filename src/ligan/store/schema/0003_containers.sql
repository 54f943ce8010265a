-- Containers, what they use, and what snapshot drivers make of layers.
--
--   container ----------> image, layer            (0001)
--   container_volume ---> container, volume
--   endpoint -----------> container, network
--   exec ---------------> container
--
-- A container's row tells what was asked for (config, host_config, networking: Docker's documents as JSON)
-- and how it is. What runs is known by pid, start time and boot ID together; a row that says "running" is
-- believed only while that process lives. Times are nanoseconds since 1970, UTC; 0 is never.

ALTER TABLE container ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE container ADD COLUMN image_name TEXT NOT NULL DEFAULT '';       -- as it was typed
ALTER TABLE container ADD COLUMN driver TEXT NOT NULL DEFAULT '';           -- of its snapshot
ALTER TABLE container ADD COLUMN config TEXT NOT NULL DEFAULT '{}';
ALTER TABLE container ADD COLUMN host_config TEXT NOT NULL DEFAULT '{}';
ALTER TABLE container ADD COLUMN networking TEXT NOT NULL DEFAULT '{}';
ALTER TABLE container ADD COLUMN mounts TEXT NOT NULL DEFAULT '[]';         -- as they were resolved at first
ALTER TABLE container ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
ALTER TABLE container ADD COLUMN pid INTEGER NOT NULL DEFAULT 0;            -- of its first process
ALTER TABLE container ADD COLUMN pid_started INTEGER NOT NULL DEFAULT 0;    -- clock ticks since boot
ALTER TABLE container ADD COLUMN conmon_pid INTEGER NOT NULL DEFAULT 0;
ALTER TABLE container ADD COLUMN conmon_started INTEGER NOT NULL DEFAULT 0;
ALTER TABLE container ADD COLUMN boot_id TEXT NOT NULL DEFAULT '';
ALTER TABLE container ADD COLUMN started INTEGER NOT NULL DEFAULT 0;
ALTER TABLE container ADD COLUMN finished INTEGER NOT NULL DEFAULT 0;
ALTER TABLE container ADD COLUMN exit_code INTEGER NOT NULL DEFAULT 0;
ALTER TABLE container ADD COLUMN error TEXT NOT NULL DEFAULT '';
ALTER TABLE container ADD COLUMN oom_killed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE container ADD COLUMN exits INTEGER NOT NULL DEFAULT 0;          -- runs that have ended: what `wait` waits for
ALTER TABLE container ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;       -- by the restart policy
ALTER TABLE container ADD COLUMN restart_wait INTEGER NOT NULL DEFAULT 0;   -- nanoseconds before the last of them
ALTER TABLE container ADD COLUMN stopped_by_hand INTEGER NOT NULL DEFAULT 0;
ALTER TABLE container ADD COLUMN health TEXT NOT NULL DEFAULT '';           -- JSON of State.Health, or nothing

CREATE TABLE volume (
    key       INTEGER PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE,
    created   INTEGER NOT NULL,
    anonymous INTEGER NOT NULL CHECK (anonymous IN (0, 1)),
    labels    TEXT,                          -- JSON object, or NULL where none were given
    options   TEXT                           -- JSON object of driver options, or NULL
) STRICT;

CREATE TABLE container_volume (
    container   INTEGER NOT NULL REFERENCES container (key) ON DELETE RESTRICT,
    destination TEXT NOT NULL,               -- path in the container
    volume      INTEGER NOT NULL REFERENCES volume (key) ON DELETE RESTRICT,
    PRIMARY KEY (container, destination)
) STRICT, WITHOUT ROWID;
CREATE INDEX container_volume_volume ON container_volume (volume);

CREATE TABLE network (
    key     INTEGER PRIMARY KEY,
    id      TEXT NOT NULL UNIQUE,            -- 64 hexadecimal digits
    name    TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    config  TEXT NOT NULL                    -- JSON of Docker's network document: Driver, IPAM, Options, Labels, ...
) STRICT;

CREATE TABLE endpoint (
    container INTEGER NOT NULL REFERENCES container (key) ON DELETE RESTRICT,
    network   INTEGER NOT NULL REFERENCES network (key) ON DELETE RESTRICT,
    address   TEXT,                          -- IPv4, while it is connected
    config    TEXT NOT NULL,                 -- JSON of Docker's EndpointSettings
    PRIMARY KEY (container, network),
    UNIQUE (network, address)
) STRICT, WITHOUT ROWID;

-- A command run in a container beside its own. Rows go when the container stops.
CREATE TABLE exec (
    key         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    container   INTEGER NOT NULL REFERENCES container (key) ON DELETE RESTRICT,
    config      TEXT NOT NULL,               -- JSON of Docker's exec configuration
    pid         INTEGER NOT NULL DEFAULT 0,
    pid_started INTEGER NOT NULL DEFAULT 0,
    conmon_pid  INTEGER NOT NULL DEFAULT 0,
    conmon_started INTEGER NOT NULL DEFAULT 0,
    state       TEXT NOT NULL DEFAULT 'created' CHECK (state IN ('created', 'running', 'exited')),
    exit_code   INTEGER
) STRICT;
CREATE INDEX exec_container ON exec (container);

-- What goes off the disk, and how: a file is unlinked; a tree is removed with all in it, after what is
-- mounted at or below it is unmounted.
ALTER TABLE outbox ADD COLUMN kind TEXT NOT NULL DEFAULT 'file';

-- What a snapshot driver makes of a layer's tar goes with that tar, also when only undo holds it: an image
-- that is brought back is ready to run. An EROFS index is a blob, and a form of the layer with the compressor
-- 'erofs'; an unpacked layer is the folder layers/<hex of the diff ID>.
ALTER TABLE blob ADD COLUMN unpacked INTEGER;  -- bytes of the files in that folder. NULL: there is none
