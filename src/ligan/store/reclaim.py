"""Reclaim: rows without a holder go, and then their bytes.

`release_*` remove rows inside the caller's transaction and put paths into the
outbox. `sweep` takes those paths away after the commit: it renames them into
the trash under the write lock, where an ingest of the same digest cannot race
it, and unlinks them without any lock.
"""

from __future__ import annotations

import os

from ligan.oci.digest import Digest
from ligan.store import failpoints
from ligan.store.db import Explained
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.store.db import Database, ReadTransaction, WriteTransaction
    from ligan.store.layout import Layout


class Deletion(Value):
    """An undo entry. Times are nanoseconds since 1970."""

    key: int
    command: str
    at: int
    until: int


_HELD_BLOB = """
    SELECT EXISTS (SELECT 1 FROM layer WHERE blob = ?1)
        OR EXISTS (SELECT 1 FROM layer_blob WHERE blob = ?1)
        OR EXISTS (SELECT 1 FROM image WHERE config = ?1)
        OR EXISTS (SELECT 1 FROM deletion_image WHERE config = ?1)
"""

_HELD_LAYER = """
    SELECT live
        OR EXISTS (SELECT 1 FROM layer child WHERE child.parent = layer.key)
        OR EXISTS (SELECT 1 FROM deletion_image WHERE layer = layer.key)
    FROM layer WHERE key = ?
"""


def release_blob(tx: WriteTransaction, layout: Layout, key: int) -> int:
    """Remove the blob's row unless something holds it. Returns the bytes that thereby go."""
    if tx.one(_HELD_BLOB, (key,))[0]:
        return 0
    digest, size, unpacked = tx.one("SELECT digest, size, unpacked FROM blob WHERE key = ?", (key,))
    tx.execute("DELETE FROM blob WHERE key = ?", (key,))
    tx.execute("INSERT INTO outbox (name) VALUES (?)", (layout.blob_name(Digest(digest)),))
    if unpacked is not None:
        release_tree(tx, layout.tree_name(digest))
    return int(size) + (unpacked or 0)


def release_tree(tx: WriteTransaction, name: str) -> None:
    """Let the sweep unmount what is mounted in a folder that no row names any more, and remove it."""
    tx.execute("INSERT OR IGNORE INTO outbox (name, kind) VALUES (?, 'tree')", (name,))


def release_layer(tx: WriteTransaction, layout: Layout, key: int | None) -> int:
    """Remove the layer's row unless something holds it, then try its parent. Returns the bytes that go."""
    freed = 0
    while key is not None and tx.value(_HELD_LAYER, (key,)) == 0:  # None: it is gone already
        parent, blob, diff_id = tx.one("SELECT parent, blob, diff_id FROM layer WHERE key = ?", (key,))
        tx.execute("DELETE FROM layer WHERE key = ?", (key,))
        freed += release_blob(tx, layout, blob)
        freed += _release_compressed(tx, layout, diff_id)
        key = parent
    return freed


def _release_compressed(tx: WriteTransaction, layout: Layout, diff_id: str) -> int:
    if tx.value("SELECT 1 FROM layer WHERE diff_id = ?", (diff_id,)):
        return 0
    blobs = tx.column("SELECT blob FROM layer_blob WHERE diff_id = ?", (diff_id,))
    for table in ("layer_blob", "layer_remote"):
        tx.execute(f"DELETE FROM {table} WHERE diff_id = ?", (diff_id,))
    return sum(release_blob(tx, layout, blob) for blob in blobs)


def drop_deletion(tx: WriteTransaction, layout: Layout, key: int) -> int:
    """Forget an undo entry; what only it held goes. Returns the bytes that go."""
    images = tx.all("SELECT id, config, layer FROM deletion_image WHERE deletion = ?", (key,))
    for table in ("deletion_image", "deletion_reference"):
        tx.execute(f"DELETE FROM {table} WHERE deletion = ?", (key,))
    tx.execute("DELETE FROM deletion WHERE key = ?", (key,))
    freed = 0
    for image, config, layer in images:
        freed += release_blob(tx, layout, config)
        freed += release_layer(tx, layout, layer)
        forget_image(tx, image)
    failpoints.hit("drop.rows")
    return freed


def forget_image(tx: WriteTransaction, image: str) -> None:
    """Forget the former names and the manifests of an image that is neither there nor in an undo entry."""
    for table in ("name_history", "manifest"):
        tx.execute(
            f"""DELETE FROM {table} WHERE image = ?1
                AND NOT EXISTS (SELECT 1 FROM image WHERE id = ?1)
                AND NOT EXISTS (SELECT 1 FROM deletion_image WHERE id = ?1)""",
            (image,),
        )


def deletions(tx: ReadTransaction) -> list[Deletion]:
    """Return every undo entry, oldest first."""
    return [Deletion(*row) for row in tx.all("SELECT key, command, at, until FROM deletion ORDER BY key")]


def due_deletions(tx: ReadTransaction, now: int) -> list[int]:
    """Return the keys of the undo entries whose time is over."""
    return tx.column("SELECT key FROM deletion WHERE until <= ?", (now,))


_HELD_BY_UNDO = """
    WITH RECURSIVE dead (key) AS (
        SELECT layer.key FROM deletion_image JOIN layer ON layer.key = deletion_image.layer WHERE NOT live
        UNION SELECT parent.key
        FROM dead JOIN layer USING (key) JOIN layer parent ON parent.key = layer.parent
        WHERE NOT parent.live)
    SELECT COALESCE(SUM(size + COALESCE(unpacked, 0)), 0) FROM blob WHERE key IN (
        SELECT blob FROM layer JOIN dead USING (key)
        UNION SELECT layer_blob.blob FROM layer JOIN dead USING (key) JOIN layer_blob USING (diff_id)
        UNION SELECT config FROM deletion_image)
    AND NOT EXISTS (SELECT 1 FROM image WHERE image.config = blob.key)
    AND NOT EXISTS (SELECT 1 FROM layer WHERE layer.blob = blob.key AND live)
    AND NOT EXISTS (SELECT 1 FROM layer_blob JOIN layer USING (diff_id)
                    WHERE layer_blob.blob = blob.key AND live)
"""


def held_by_undo(tx: ReadTransaction) -> int:
    """Return the bytes on disk that only undo entries hold: what dropping all of them would free."""
    return int(tx.value(_HELD_BY_UNDO))


def outbox_bytes(tx: ReadTransaction, layout: Layout) -> int:
    """Return the bytes on the disk of the paths in the outbox: what the next sweep frees."""
    from ligan.store.trees import tree_size

    total = 0
    for name, kind in tx.all("SELECT name, kind FROM outbox"):
        path = layout.absolute(name)
        try:
            total += tree_size(path) if kind == "tree" else os.stat(path).st_size
        except FileNotFoundError:
            pass  # it has been taken away by hand, or by a sweep that was killed
    return total


def sweep(database: Database, layout: Layout) -> None:
    """On return nothing is left of the outbox as it was, and of the trash that this call filled."""
    with database.read() as tx:
        kinds = set(tx.column("SELECT DISTINCT kind FROM outbox"))
    if not kinds:
        return
    if "tree" in kinds:
        _unmount_trees(database, layout)
    # A power cut may bring rows of the outbox back: what they name is gone, and that is no fault.
    with database.write(durable=False) as tx:
        trashed = _to_trash(tx, layout)
        failpoints.hit("sweep.renamed")
    with Explained(layout.trash):
        failpoints.hit("sweep.committed")
        _unlink_all(trashed)
        failpoints.hit("sweep.unlinked")


def _unmount_trees(database: Database, layout: Layout) -> None:
    """Unmount what is mounted in the folders of the outbox.

    A mount keeps what it shows on the disk, also when nothing names it any more; and a layer that only such
    a folder kept mounted has to go before its bytes are free.
    """
    from ligan.store.mounts import drop_unused_mounts, unmount_below

    with database.read() as tx:
        names = tx.column("SELECT name FROM outbox WHERE kind = 'tree'")
    for name in names:
        unmount_below(layout.absolute(name))
    drop_unused_mounts(database, layout)


def _to_trash(tx: WriteTransaction, layout: Layout) -> list[str]:
    rows = tx.all("SELECT key, name FROM outbox")
    for key, name in rows:
        try:
            os.rename(layout.absolute(name), layout.trashed(key))
        except FileNotFoundError:
            pass  # a sweep before this one ended between its renames and its commit: it is there already
    tx.execute_many("DELETE FROM outbox WHERE key = ?", [(key,) for key, _name in rows])
    return [layout.trashed(key) for key, _name in rows]


def empty_trash(layout: Layout) -> None:
    """Unlink what sweeps left in the trash when they were killed."""
    _unlink_all([f"{layout.trash}/{name}" for name in os.listdir(layout.trash)])


UNLINKERS = 8
"""Threads: a file system frees the blocks of durable files one after the other, but several at a time."""


def _unlink_all(paths: list[str]) -> None:
    """On return the files are gone. Raises the first error, after trying all."""
    failures: list[OSError] = []
    if len(paths) > 1:
        _unlink_in_threads(paths, failures)
    else:
        _unlink_each(paths, failures)
    if failures:
        raise failures[0]


def _unlink_in_threads(paths: list[str], failures: list[OSError]) -> None:
    from threading import Thread

    threads = [
        Thread(target=_unlink_each, args=(paths[start::UNLINKERS], failures))
        for start in range(min(UNLINKERS, len(paths)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _unlink_each(paths: list[str], failures: list[OSError]) -> None:
    for path in paths:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass  # another process empties the same trash
        except IsADirectoryError:
            _remove_tree(path, failures)
        except OSError as error:
            failures.append(error)


def _remove_tree(path: str, failures: list[OSError]) -> None:
    from ligan.store.trees import remove_tree

    try:
        remove_tree(path)
    except FileNotFoundError:
        pass  # another process empties the same trash
    except OSError as error:
        failures.append(error)
