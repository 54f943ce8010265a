"""The physical bytes of a removal plan, to the byte, before it is applied."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.images.removal import RemovalPlan
    from ligan.store.db import ReadTransaction


# The plan's layers and images come as JSON lists. A layer of the plan is
# `blocked` while another undo entry names it, or stands on it: its row stays.
_PLAN = """
    WITH RECURSIVE
    going (key) AS MATERIALIZED (SELECT value FROM json_each(?1)),
    gone (key) AS MATERIALIZED (SELECT key FROM image WHERE id IN (SELECT value FROM json_each(?2))),
    blocked (key) AS (
        SELECT key FROM going
        WHERE EXISTS (SELECT 1 FROM deletion_image WHERE deletion_image.layer = going.key)
           OR EXISTS (SELECT 1 FROM layer child WHERE child.parent = going.key
                      AND child.key NOT IN (SELECT key FROM going))
        UNION SELECT layer.parent FROM layer JOIN blocked USING (key)
        WHERE layer.parent IN (SELECT key FROM going)),
    candidate (key) AS MATERIALIZED (
        SELECT blob FROM layer WHERE key IN (SELECT key FROM going)
        UNION SELECT config FROM image WHERE key IN (SELECT key FROM gone)
        UNION SELECT layer_blob.blob FROM layer_blob JOIN layer USING (diff_id)
              WHERE layer.key IN (SELECT key FROM going))
    SELECT COALESCE(SUM(size + COALESCE(unpacked, 0)), 0) FROM blob JOIN candidate USING (key)
    WHERE NOT EXISTS (SELECT 1 FROM image WHERE image.config = blob.key
                      AND image.key NOT IN (SELECT key FROM gone))
"""

# Undo newly holds what no live row keeps afterwards.
_HELD = f"""{_PLAN}
    AND NOT EXISTS (SELECT 1 FROM layer WHERE layer.blob = blob.key AND layer.live
                    AND layer.key NOT IN (SELECT key FROM going))
    AND NOT EXISTS (SELECT 1 FROM layer_blob JOIN layer USING (diff_id)
                    WHERE layer_blob.blob = blob.key AND layer.live
                    AND layer.key NOT IN (SELECT key FROM going))
"""

# Without undo goes what no row at all keeps afterwards.
_FREED = f"""{_PLAN}
    AND NOT EXISTS (SELECT 1 FROM deletion_image WHERE deletion_image.config = blob.key)
    AND NOT EXISTS (SELECT 1 FROM layer WHERE layer.blob = blob.key AND (
                    layer.key NOT IN (SELECT key FROM going) OR layer.key IN (SELECT key FROM blocked)))
    AND NOT EXISTS (SELECT 1 FROM layer_blob JOIN layer USING (diff_id)
                    WHERE layer_blob.blob = blob.key AND (
                    layer.key NOT IN (SELECT key FROM going) OR layer.key IN (SELECT key FROM blocked)))
"""


def held_bytes(tx: ReadTransaction, plan: RemovalPlan) -> int:
    """Return the bytes on disk that undo newly holds once the plan is applied. Shared blobs count once."""
    return int(tx.value(_HELD, _lists(plan)))


def freed_bytes(tx: ReadTransaction, plan: RemovalPlan) -> int:
    """Return the bytes that leave the disk if the plan is applied without undo. Shared blobs count once."""
    return int(tx.value(_FREED, _lists(plan)))


def _lists(plan: RemovalPlan) -> tuple[str, str]:
    return (
        "[" + ",".join(map(str, plan.layers)) + "]",
        "[" + ",".join(f'"{image}"' for image in plan.images) + "]",
    )
