"""The physical bytes of a delete, to the byte, before it is done. Shared blobs count once."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ligan.images.removal import RemovalPlan
    from ligan.store.db import ReadTransaction


# The plan's layers and images come as JSON lists.
_HELD = """
    WITH
    going (key) AS MATERIALIZED (SELECT value FROM json_each(?1)),
    gone (key) AS MATERIALIZED (SELECT key FROM image WHERE id IN (SELECT value FROM json_each(?2))),
    candidate (key) AS MATERIALIZED (
        SELECT blob FROM layer WHERE key IN (SELECT key FROM going)
        UNION SELECT config FROM image WHERE key IN (SELECT key FROM gone)
        UNION SELECT layer_blob.blob FROM layer_blob JOIN layer USING (diff_id)
              WHERE layer.key IN (SELECT key FROM going))
    SELECT COALESCE(SUM(size + COALESCE(unpacked, 0)), 0) FROM blob JOIN candidate USING (key)
    WHERE NOT EXISTS (SELECT 1 FROM image WHERE image.config = blob.key
                      AND image.key NOT IN (SELECT key FROM gone))
    AND NOT EXISTS (SELECT 1 FROM layer WHERE layer.blob = blob.key AND layer.live
                    AND layer.key NOT IN (SELECT key FROM going))
    AND NOT EXISTS (SELECT 1 FROM layer_blob JOIN layer USING (diff_id)
                    WHERE layer_blob.blob = blob.key AND layer.live
                    AND layer.key NOT IN (SELECT key FROM going))
"""

# What goes comes as JSON lists. Of the layers below it those stay that
# something else holds, or that are below one that stays.
_FREED = """
    WITH RECURSIVE
    images (key) AS MATERIALIZED (SELECT key FROM image WHERE id IN (SELECT value FROM json_each(?1))),
    containers (key) AS MATERIALIZED (
        SELECT key FROM container WHERE id IN (SELECT value FROM json_each(?2))),
    cached (key) AS MATERIALIZED (SELECT key FROM build_cache WHERE id IN (SELECT value FROM json_each(?3))),
    entries (key) AS MATERIALIZED (SELECT value FROM json_each(?4)),
    below (key) AS (
        SELECT layer FROM image JOIN images USING (key) WHERE layer IS NOT NULL
        UNION SELECT layer FROM container JOIN containers USING (key) WHERE layer IS NOT NULL
        UNION SELECT layer FROM build_cache JOIN cached USING (key) WHERE layer IS NOT NULL
        UNION SELECT layer FROM deletion_image
              WHERE deletion IN (SELECT key FROM entries) AND layer IS NOT NULL
        UNION SELECT layer.parent FROM layer JOIN below USING (key) WHERE layer.parent IS NOT NULL),
    mine (key) AS MATERIALIZED (SELECT key FROM below),
    stays (key) AS (
        SELECT key FROM mine
        WHERE EXISTS (SELECT 1 FROM layer child WHERE child.parent = mine.key
                      AND child.key NOT IN (SELECT key FROM mine))
           OR EXISTS (SELECT 1 FROM image WHERE image.layer = mine.key
                      AND image.key NOT IN (SELECT key FROM images))
           OR EXISTS (SELECT 1 FROM container WHERE container.layer = mine.key
                      AND container.key NOT IN (SELECT key FROM containers))
           OR EXISTS (SELECT 1 FROM build_cache WHERE build_cache.layer = mine.key
                      AND build_cache.key NOT IN (SELECT key FROM cached))
           OR EXISTS (SELECT 1 FROM deletion_image WHERE deletion_image.layer = mine.key
                      AND deletion NOT IN (SELECT key FROM entries))
        UNION SELECT layer.parent FROM layer JOIN stays USING (key) WHERE layer.parent IS NOT NULL),
    goes (key) AS MATERIALIZED (SELECT key FROM mine EXCEPT SELECT key FROM stays),
    candidate (key) AS MATERIALIZED (
        SELECT blob FROM layer WHERE key IN (SELECT key FROM goes)
        UNION SELECT config FROM image WHERE key IN (SELECT key FROM images)
        UNION SELECT config FROM deletion_image WHERE deletion IN (SELECT key FROM entries)
        UNION SELECT layer_blob.blob FROM layer_blob JOIN layer USING (diff_id)
              WHERE layer.key IN (SELECT key FROM goes))
    SELECT COALESCE(SUM(size + COALESCE(unpacked, 0)), 0) FROM blob JOIN candidate USING (key)
    WHERE NOT EXISTS (SELECT 1 FROM image WHERE image.config = blob.key
                      AND image.key NOT IN (SELECT key FROM images))
    AND NOT EXISTS (SELECT 1 FROM deletion_image WHERE deletion_image.config = blob.key
                    AND deletion NOT IN (SELECT key FROM entries))
    AND NOT EXISTS (SELECT 1 FROM layer WHERE layer.blob = blob.key
                    AND layer.key NOT IN (SELECT key FROM goes))
    AND NOT EXISTS (SELECT 1 FROM layer_blob JOIN layer USING (diff_id)
                    WHERE layer_blob.blob = blob.key AND layer.key NOT IN (SELECT key FROM goes))
"""


def held_bytes(tx: ReadTransaction, plan: RemovalPlan) -> int:
    """Return the bytes on disk that undo newly holds once the plan is applied."""
    return int(tx.value(_HELD, (_list(plan.layers), _list(plan.images))))


def freed_bytes(
    tx: ReadTransaction,
    *,
    images: Iterable[str] = (),
    containers: Iterable[str] = (),
    cached: Iterable[str] = (),
    entries: Iterable[int] = (),
) -> int:
    """Return the bytes of blobs and unpacked layers that leave the disk if these go, and undo keeps nothing.

    They are images, containers and rows of the build cache by their whole IDs, and undo entries by number.
    """
    return int(tx.value(_FREED, (_list(images), _list(containers), _list(cached), _list(entries))))


def _list(items: Iterable[str | int]) -> str:
    """Return IDs or keys as a JSON list: nothing in them has to be escaped."""
    return "[" + ",".join([f'"{item}"' if isinstance(item, str) else str(item) for item in items]) + "]"
