"""Start-up repair: what killed processes left behind.

Looks at abandoned leases, the trash and the outbox only, never at all blobs;
`ligan.store.fsck` looks at all.
"""

from __future__ import annotations

import fcntl
import os

from ligan.oci.digest import Digest, is_hex
from ligan.store.blobs import find, remove_lease
from ligan.store.reclaim import empty_trash, sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.store.db import Database
    from ligan.store.layout import Layout


def recover(database: Database, layout: Layout) -> None:
    """On return no bytes are left of processes that are dead. Those of living ones stay."""
    for lease in os.listdir(layout.ingest):
        _recover_lease(database, layout, layout.lease(lease))
    sweep(database, layout)
    empty_trash(layout)


def abandoned_leases(layout: Layout) -> list[str]:
    """Return the paths of the leases that no process holds, without touching them."""
    abandoned = []
    for name in os.listdir(layout.ingest):
        lock = _try_lock(layout.lease(name))
        if lock >= 0:
            os.close(lock)
            abandoned.append(layout.lease(name))
    return abandoned


def leases_on(layout: Layout, prefix: str) -> list[str]:
    """Return the names of the leases in which a living process has staged a blob of this hex prefix."""
    found = []
    for lease in os.listdir(layout.ingest):
        try:
            names = os.listdir(layout.lease(lease))
        except FileNotFoundError:
            continue
        if any(name.startswith(prefix) and len(name) == 64 for name in names):
            found.append(lease)
    return [lease for lease in found if layout.lease(lease) not in abandoned_leases(layout)]


def _recover_lease(database: Database, layout: Layout, path: str) -> None:
    lock = _try_lock(path)
    if lock < 0:
        return
    try:
        names = [name for name in os.listdir(path) if len(name) == 64 and is_hex(name)]
        if names:
            with database.write() as tx:
                for name in names:
                    digest = Digest(f"sha256:{name}")
                    if find(tx, digest) is None:
                        _unlink_if_same(f"{path}/{name}", layout.blob(digest))
        remove_lease(path)
    finally:
        os.close(lock)


def _try_lock(path: str) -> int:
    """Return a descriptor that holds the lease's lock, or -1 where a living process has it."""
    try:
        lock = os.open(f"{path}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return -1  # its process has just removed it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return -1
    return lock


def _unlink_if_same(staged: str, final: str) -> None:
    """Take back a link whose row never came; a file that another process stored there stays."""
    try:
        if os.path.samefile(staged, final):
            os.unlink(final)
    except FileNotFoundError:
        pass  # it was never linked
