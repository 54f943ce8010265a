"""Start-up repair: what killed processes left behind.

Looks at abandoned leases, the trash and the outbox only, never at all blobs;
`ligan.store.fsck` looks at all.
"""

from __future__ import annotations

import os

from ligan.oci.digest import Digest, is_hex
from ligan.store import failpoints, reserve
from ligan.store.blobs import TREE_MARK, find, lock_lease, remove_lease
from ligan.store.db import Explained
from ligan.store.folders import ANNOUNCED, take_back
from ligan.store.mounts import drop_unused_mounts
from ligan.store.reclaim import empty_trash, sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.store.db import Database, WriteTransaction
    from ligan.store.layout import Layout


def recover(database: Database, layout: Layout) -> None:
    """On return no bytes are left of processes that are dead. Those of living ones stay, and downloads.

    Raises Unavailable for a store that can only be read.
    """
    database.check_writable()
    with Explained(layout.root):
        for lease in os.listdir(layout.ingest):
            if not layout.is_download(lease):
                _recover_lease(database, layout, layout.lease(lease))
        sweep(database, layout)
        empty_trash(layout)
        drop_unused_mounts(database, layout)
        reserve.keep(layout.reserve)


def abandoned_leases(layout: Layout) -> list[str]:
    """Return the paths of the leases that no process holds, without touching them. Downloads may wait."""
    abandoned = []
    for name in os.listdir(layout.ingest):
        if layout.is_download(name):
            continue
        lock = lock_lease(layout.lease(name))
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
    abandoned = abandoned_leases(layout) if found else []
    return [lease for lease in found if layout.lease(lease) not in abandoned]


def _recover_lease(database: Database, layout: Layout, path: str) -> None:
    lock = lock_lease(path)
    if lock < 0:
        return
    try:
        found = os.listdir(path)
        names = [name for name in found if len(name) == 64 and is_hex(name)]
        trees = [name.removeprefix(TREE_MARK) for name in found if name.startswith(TREE_MARK)]
        if names or trees or ANNOUNCED in found:
            with database.write() as tx:
                take_back(tx, path)
                for name in names:
                    digest = Digest(f"sha256:{name}")
                    if find(tx, digest) is None:
                        _unlink_if_same(f"{path}/{name}", layout.blob(digest))
                for name in trees:
                    _take_back_tree(tx, layout, f"sha256:{name}", f"{path}/folder-of-{name}")
        failpoints.hit("recover.unlinked")
        remove_lease(path)
    finally:
        os.close(lock)


def _take_back_tree(tx: WriteTransaction, layout: Layout, diff_id: str, into: str) -> None:
    """Move an unpacked layer whose row never came into the lease, with which it goes."""
    if tx.value("SELECT unpacked FROM blob WHERE digest = ?", (diff_id,)) is None:
        try:
            os.rename(layout.tree(diff_id), into)
        except FileNotFoundError:
            pass  # it never got there


def _unlink_if_same(staged: str, final: str) -> None:
    """Take back a link whose row never came; a file that another process stored there stays."""
    try:
        if os.path.samefile(staged, final):
            os.unlink(final)
    except FileNotFoundError:
        pass  # it was never linked
