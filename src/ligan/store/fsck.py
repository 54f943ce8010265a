"""fsck: every invariant of the store, checked against the bytes.

Each fault names what it is about, what is wrong, and whether `--repair` mends
it. Repairing never removes an image or a name.
"""

from __future__ import annotations

import hashlib
import os

from ligan.oci.digest import Digest, sha256
from ligan.store.blobs import CHUNK
from ligan.store.mounts import unused_mounts
from ligan.store.reclaim import release_blob, release_layer, release_tree, sweep
from ligan.store.recover import abandoned_leases, recover
from ligan.store.store import make_folders
from ligan.store.trees import tree_size
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.store.db import Database, ReadTransaction
    from ligan.store.layout import Layout


class Fault(Value):
    """One violated invariant."""

    subject: str
    problem: str
    repairable: bool

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}"


def check(database: Database, layout: Layout, *, read_data: bool = True) -> list[Fault]:
    """Return every fault, none for a sound store. `read_data` reads and hashes all blobs.

    Other processes may go on meanwhile. What looks like a fault is looked at once
    more while they have to wait, unless the store may only be read. What lacks in
    a folder that is missing is for the check after a repair.
    """
    missing = [folder for folder in layout.folders if not os.path.isdir(folder)]
    if missing:
        return [
            Fault(f"folder {os.path.relpath(folder, layout.root)}", "is missing", True) for folder in missing
        ]
    with database.read() as tx:
        faults = _faults(tx, layout)
        damaged = [*_damaged_blobs(tx, layout), *_changed_trees(tx, layout)] if read_data else []
    if faults and database.is_writable:
        with database.write() as tx:
            faults = _faults(tx, layout)
    return faults + damaged


def _faults(tx: ReadTransaction, layout: Layout) -> list[Fault]:
    """Return the faults that rows and names of files tell, without reading a blob."""
    return [
        *[Fault("database", row, False) for row in tx.column("PRAGMA integrity_check") if row != "ok"],
        *[
            Fault(f"table {row[0]}", f"row {row[1]} names a missing {row[2]}", False)
            for row in tx.all("PRAGMA foreign_key_check")
        ],
        *_blob_files(tx, layout),
        *[Fault(f"unpacked layer {name}", "its folder is missing", True) for name in _lost_trees(tx, layout)],
        *_layer_rows(tx),
        *_image_rows(tx),
        *_remote_rows(tx),
        *_unheld(tx),
        *_leftovers(tx, layout),
    ]


def repair(database: Database, layout: Layout) -> None:
    """Mend what can be mended without losing an image: liveness, rows and files that nothing holds."""
    database.check_writable()
    make_folders(layout)
    recover(database, layout)
    with database.write() as tx:
        tx.execute(f"UPDATE layer SET live = key IN ({_LIVE})")
        for key in tx.column("SELECT key FROM layer ORDER BY depth DESC"):
            if tx.value("SELECT 1 FROM layer WHERE key = ?", (key,)):
                release_layer(tx, layout, key)
        for key in tx.column("SELECT key FROM blob"):
            release_blob(tx, layout, key)
        tx.execute(f"DELETE FROM manifest WHERE image NOT IN ({_KNOWN_IMAGES})")
        tx.execute("DELETE FROM layer_remote WHERE diff_id NOT IN (SELECT diff_id FROM layer)")
        for name in _unknown_files(tx, layout):
            tx.execute("INSERT OR IGNORE INTO outbox (name) VALUES (?)", (f"blobs/sha256/{name}",))
        for name in _unknown_folders(tx, layout):
            release_tree(tx, name)
        for name in _lost_trees(tx, layout):  # the next container on it has it unpacked again
            tx.execute("UPDATE blob SET unpacked = NULL WHERE digest = ?", (name,))
    sweep(database, layout)


_LIVE = """
    WITH RECURSIVE up (key) AS (
        SELECT layer FROM image WHERE layer IS NOT NULL
        UNION SELECT layer FROM container WHERE layer IS NOT NULL
        UNION SELECT layer FROM build_cache WHERE layer IS NOT NULL
        UNION SELECT layer.parent FROM layer JOIN up USING (key) WHERE layer.parent IS NOT NULL
    ) SELECT key FROM up
"""


def _blob_files(tx: ReadTransaction, layout: Layout) -> list[Fault]:
    faults = []
    for name, size in tx.all("SELECT digest, size FROM blob ORDER BY key"):
        try:
            found = os.stat(layout.blob(Digest(name))).st_size
        except OSError as error:
            faults.append(Fault(f"blob {name}", str(error.strerror).lower(), False))
        else:
            if found != size:
                faults.append(Fault(f"blob {name}", f"{found} bytes on disk, {size} in the books", False))
    return faults


def _damaged_blobs(tx: ReadTransaction, layout: Layout) -> list[Fault]:
    """Hash the blobs that are there in full: the others are faults already, or deleted meanwhile."""
    faults = []
    for name, size in tx.all("SELECT digest, size FROM blob ORDER BY key"):
        digest = Digest(name)
        try:
            if (
                os.stat(layout.blob(digest)).st_size == size
                and (actual := _hash(layout.blob(digest))) != digest.hex
            ):
                faults.append(Fault(f"blob {name}", f"its bytes hash to sha256:{actual}", False))
        except FileNotFoundError:
            pass
        except OSError as error:
            faults.append(Fault(f"blob {name}", str(error.strerror).lower(), False))
    return faults


def _changed_trees(tx: ReadTransaction, layout: Layout) -> list[Fault]:
    faults = []
    for name, size in tx.all("SELECT digest, unpacked FROM blob WHERE unpacked IS NOT NULL ORDER BY key"):
        try:
            found = tree_size(layout.tree(name))
        except FileNotFoundError:
            continue  # a fault already, or deleted meanwhile
        if found != size:
            problem = f"{found} bytes on disk, {size} in the books"
            faults.append(Fault(f"unpacked layer {name}", problem, False))
    return faults


def _lost_trees(tx: ReadTransaction, layout: Layout) -> list[str]:
    """Return the diff IDs of the layers that are unpacked by the books only."""
    names = tx.column("SELECT digest FROM blob WHERE unpacked IS NOT NULL ORDER BY key")
    return [name for name in names if not os.path.isdir(layout.tree(name))]


def _hash(path: str) -> str:
    hasher = hashlib.sha256()
    buffer = bytearray(CHUNK)
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            hasher.update(memoryview(buffer)[:count])
    return hasher.hexdigest()


def _layer_rows(tx: ReadTransaction) -> list[Fault]:
    faults = [
        Fault(f"layer {chain}", "live without a holder" if live else "held, but not live", True)
        for chain, live in tx.all(f"SELECT chain_id, live FROM layer WHERE live <> (key IN ({_LIVE}))")
    ]
    rows = tx.all(
        """SELECT layer.chain_id, layer.diff_id, layer.depth, layer.chain_size - layer.size, blob.digest,
                  parent.chain_id, parent.depth, parent.chain_size
           FROM layer JOIN blob ON blob.key = layer.blob
                LEFT JOIN layer parent ON parent.key = layer.parent"""
    )
    for chain, diff, depth, below, blob, parent, parent_depth, parent_size in rows:
        expected = (
            diff if parent is None else "sha256:" + hashlib.sha256(f"{parent} {diff}".encode()).hexdigest()
        )
        if chain != expected:
            faults.append(Fault(f"layer {chain}", f"its chain ID should be {expected}", False))
        if (depth, below) != ((parent_depth or 0) + 1, parent_size or 0):
            faults.append(Fault(f"layer {chain}", "depth or size differs from its parent's", False))
        if blob != diff:
            faults.append(Fault(f"layer {chain}", f"its tar is {blob}, its diff ID {diff}", False))
    return faults


def _image_rows(tx: ReadTransaction) -> list[Fault]:
    rows = tx.column(
        "SELECT image.id FROM image JOIN blob ON blob.key = image.config WHERE blob.digest <> image.id"
    )
    faults = [Fault(f"image {name}", "its config is another blob", False) for name in rows]
    rows = tx.column(
        """SELECT reference.name FROM reference
           WHERE is_digest <> (instr(name, '@') > 0)
              OR substr(name, 1, length(repository) + 1) NOT IN (repository || ':', repository || '@')"""
    )
    return faults + [
        Fault(f"reference {name}", "differs from its repository or kind", False) for name in rows
    ]


_KNOWN_IMAGES = "SELECT id FROM image UNION SELECT id FROM deletion_image"


def _remote_rows(tx: ReadTransaction) -> list[Fault]:
    faults = [
        Fault(f"manifest {digest}", f"its bytes hash to {sha256(raw)}", False)
        for digest, raw in tx.all("SELECT digest, raw FROM manifest")
        if sha256(raw) != digest
    ]
    faults += [
        Fault(f"manifest {digest}", "nothing holds it", True)
        for digest in tx.column(f"SELECT digest FROM manifest WHERE image NOT IN ({_KNOWN_IMAGES})")
    ]
    return faults + [
        Fault(f"form {digest} of a layer", "no layer has its diff ID", True)
        for digest in tx.column(
            "SELECT digest FROM layer_remote WHERE diff_id NOT IN (SELECT diff_id FROM layer)"
        )
    ]


def _unheld(tx: ReadTransaction) -> list[Fault]:
    layers = tx.column(
        """SELECT chain_id FROM layer WHERE NOT live
           AND NOT EXISTS (SELECT 1 FROM layer child WHERE child.parent = layer.key)
           AND NOT EXISTS (SELECT 1 FROM deletion_image WHERE deletion_image.layer = layer.key)"""
    )
    blobs = tx.column(
        """SELECT digest FROM blob WHERE key NOT IN (
               SELECT blob FROM layer UNION SELECT blob FROM layer_blob
               UNION SELECT config FROM image UNION SELECT config FROM deletion_image)"""
    )
    return [Fault(f"layer {name}", "nothing holds it", True) for name in layers] + [
        Fault(f"blob {name}", "nothing holds it", True) for name in blobs
    ]


def _unknown_files(tx: ReadTransaction, layout: Layout) -> list[str]:
    known = {Digest(digest).hex for digest in tx.column("SELECT digest FROM blob")}
    return sorted(set(os.listdir(layout.blobs)) - known)


_CACHE_MOUNTS = "SELECT id FROM build_cache WHERE kind = 'exec.cachemount'"


def _unknown_folders(tx: ReadTransaction, layout: Layout) -> list[str]:
    """Return the names below the root of folders that no layer, container, volume or cache mount has."""
    unpacked = tx.column("SELECT digest FROM blob WHERE unpacked IS NOT NULL")
    known = {layout.tree_name(digest) for digest in unpacked}
    known |= {layout.container_name(container) for container in tx.column("SELECT id FROM container")}
    known |= {layout.volume_name(volume) for volume in tx.column("SELECT name FROM volume")}
    known |= {layout.cache_name(cache) for cache in tx.column(_CACHE_MOUNTS)}
    found = {layout.tree_name(name) for name in os.listdir(layout.layers)}
    found |= {layout.container_name(name) for name in os.listdir(layout.containers)}
    found |= {layout.volume_name(name) for name in _volume_folders(layout)}
    if os.path.isdir(layout.caches):
        found |= {layout.cache_name(name) for name in os.listdir(layout.caches)}
    return sorted(found - known)


def _volume_folders(layout: Layout) -> list[str]:
    """Return the volumes' folders in which nothing is: what a volume holds is for its user to remove."""
    if not os.path.isdir(layout.volumes):
        return []
    return [name for name in os.listdir(layout.volumes) if not _holds_something(layout.volume_data(name))]


def _holds_something(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False


def _leftovers(tx: ReadTransaction, layout: Layout) -> list[Fault]:
    waiting = set(tx.column("SELECT name FROM outbox"))
    faults = [
        Fault(f"file blobs/sha256/{name}", "no row names it", True)
        for name in _unknown_files(tx, layout)
        if f"blobs/sha256/{name}" not in waiting
    ]
    faults += [
        Fault(f"folder {name}", "no row names it", True)
        for name in _unknown_folders(tx, layout)
        if name not in waiting
    ]
    faults += [
        Fault(f"layer {name}", "mounted, and no container needs it", True)
        for name in unused_mounts(tx, layout)
    ]
    faults += [Fault(f"outbox {name}", "waits to be removed", True) for name in sorted(waiting)]
    faults += [
        Fault(f"trash/{name}", "waits to be unlinked", True) for name in sorted(os.listdir(layout.trash))
    ]
    return faults + [Fault(path, "left by a process that died", True) for path in abandoned_leases(layout)]
