"""An open store: its paths, its database, and its rules for keeping what is deleted.

Reading needs only this; what writing needs is imported by the method that writes.
"""

from __future__ import annotations

import os
import time

from ligan.errors import Unavailable
from ligan.store import failpoints
from ligan.store.db import DISK_FULL, Database, explain, open_database
from ligan.store.layout import Layout
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from ligan.store.blobs import Lease
    from ligan.store.db import ReadTransaction

    Result = TypeVar("Result")

DAY = 24 * 3600 * 10**9


class Policy(Value):
    """How long, and how much of, what is deleted can be brought back.

    `window` is in nanoseconds. `disk_limit` is the share of the file system
    (0 to 1) above which a deletion frees its bytes at once. `budget` is the most
    bytes that undo entries may hold, or None. `max_layer_size` is the most bytes
    that a compressed layer may unpack to, or None for what the disk has room for.
    `bridge`: containers are on Docker's default network unless they say otherwise; without it they
    have but their loopback. `keep_compressed` keeps pulled layers as they came too, so that a push sends
    the same bytes. `storage_driver` names what containers have their layers by, "" is the best that works.
    """

    window: int = DAY
    disk_limit: float = 0.8
    budget: int | None = None
    max_layer_size: int | None = None
    keep_compressed: bool = True
    bridge: bool = True
    storage_driver: str = ""


class Store:
    """One process's hold on a root."""

    def __init__(self, layout: Layout, policy: Policy, clock: Callable[[], int] = time.time_ns) -> None:
        """Open the store, making it where there is none. Raises Unavailable where that cannot be."""
        self.layout = layout
        self.policy = policy
        self.now = clock
        if not os.path.isdir(layout.trash):
            make_folders(layout)
        self.database: Database = open_database(layout)

    def close(self) -> None:
        self.database.close()

    def recover(self) -> None:
        """Remove what the dead left, old downloads and due undo entries: every writing verb begins so."""
        from ligan.store.downloads import KEPT_FOR, drop_abandoned
        from ligan.store.reclaim import due_deletions
        from ligan.store.recover import recover

        recover(self.database, self.layout)
        drop_abandoned(self.layout, self.now() - KEPT_FOR)
        with self.database.read() as tx:
            due = due_deletions(tx, self.now())
        if due:
            self.drop(due)

    def read_files(self, work: Callable[[ReadTransaction], Result]) -> Result:
        """Return what `work` finds in its transaction and in the files that this names.

        What a transaction still sees, another process may have deleted: then `work` is done again with
        a later one. Raises MissingBlob only where a file is missing for good.
        """
        from ligan.store.blobs import MissingBlob

        version = None
        while True:
            with self.database.read() as tx:
                seen = tx.value("PRAGMA data_version")
                try:
                    return work(tx)
                except MissingBlob:
                    if seen == version:
                        raise
                    version = seen

    def lease(self, make_room: Callable[[int], bool] | None = None) -> Lease:
        """Return a lease for new blobs, which drops undo entries when the disk is full.

        Whoever writes in other threads gives a `make_room` that has the store's own called in this one.
        """
        from ligan.store.blobs import Lease
        from ligan.store.recover import recover

        room = make_room or self.make_room
        while True:
            try:
                return Lease(self.layout, room, lambda: recover(self.database, self.layout))
            except OSError as error:
                if error.errno not in DISK_FULL or not room(0):
                    raise explain(error, self.layout.ingest) from error

    def drop(self, keys: Sequence[int]) -> int:
        """Drop undo entries; on return their bytes are off the disk. Returns how many that are."""
        from ligan.store.reclaim import drop_deletion

        with self.database.write() as tx:
            freed = sum(drop_deletion(tx, self.layout, key) for key in keys)
        self.sweep()
        return freed

    def sweep(self) -> None:
        """On return the paths in the outbox are off the disk. In a rehearsal, do nothing."""
        from ligan.store.reclaim import sweep

        if not self.database.is_rehearsing:
            sweep(self.database, self.layout)

    def make_room(self, wanted: int) -> bool:
        """Drop downloads that nobody works on, then the oldest undo entries, until so many bytes are freed.

        Returns whether any were.
        """
        from ligan.store.downloads import drop_abandoned
        from ligan.store.reclaim import deletions

        freed = drop_abandoned(self.layout)
        while freed < max(wanted, 1):
            with self.database.read() as tx:
                entries = deletions(tx)
            if not entries:
                break
            freed += self.drop([entries[0].key])
        return freed > 0

    def free_bytes(self) -> int:
        """Return the bytes that this user may still write to the store's file system."""
        status = os.statvfs(self.layout.root)
        return status.f_bavail * status.f_frsize

    def used_share(self) -> float:
        """Return the used share of the store's file system, 0 to 1, as `df` computes it."""
        status = os.statvfs(self.layout.root)
        used = status.f_blocks - status.f_bfree
        return used / (used + status.f_bavail) if used + status.f_bavail else 1.0

    def held_by_undo(self) -> int:
        """Return the bytes on disk that only undo entries hold."""
        from ligan.store.reclaim import held_by_undo

        with self.database.read() as tx:
            return held_by_undo(tx)


def make_folders(layout: Layout) -> None:
    """Make the folders that are missing. The trash comes last: where it is, the others are, durably."""
    from ligan.store.blobs import sync_folder

    *others, trash = layout.folders
    try:
        for folder in others:
            os.makedirs(folder, 0o700, exist_ok=True)
        failpoints.hit("open.folders")
        # A row must not outlive the folder of its file.
        sync_folder(os.path.dirname(layout.blobs))
        sync_folder(layout.root)
        os.makedirs(trash, 0o700, exist_ok=True)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise explain(error, layout.root) from error
        reason = (error.strerror or str(error)).lower()
        if isinstance(error, FileExistsError):
            reason = f"{error.filename} is not a directory"
        raise Unavailable(
            f"cannot make the store {layout.root}: {reason}", "Name another store with --root or LIGAN_ROOT."
        ) from error
