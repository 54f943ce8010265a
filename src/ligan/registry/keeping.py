"""What deletes keep for undo, for how long, and while there is room.

A deletion is kept for the undo window, unless it would hold bytes on a disk that is fuller than the limit, or
more bytes than the budget: then they go at once, as where nothing is to be kept.
"""

from __future__ import annotations

from ligan.errors import NoSpace, NotFound
from ligan.registry.deleting import Removal, carry_out, deleted, release_blob
from ligan.store import failpoints, reserve
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from ligan.registry.deleting import Deleted
    from ligan.registry.index.database import Index, ReadTransaction, WriteTransaction
    from ligan.registry.storage.role import Storage

    T = TypeVar("T")

KEPT = ""
NOW = "--now was given"
NO_WINDOW = "undo_window is 0"
DISK_FULL = "the disk is fuller than undo_disk_limit"
BUDGET = "more than undo_budget would be held"


class UndoPolicy(Value):
    """How long, and how much of, what is deleted can be brought back.

    `window` is in nanoseconds. `disk_limit` is the share of the file system (0 to 1) above which a deletion
    frees its bytes at once. `budget` is the most bytes that undo entries may hold, or None.
    `now`: keep nothing.
    """

    window: int
    disk_limit: float = 0.8
    budget: int | None = None
    now: bool = False


class NoSuchEntry(NotFound):
    def __init__(self, entry: int | None) -> None:
        super().__init__(
            "there is nothing to undo" if entry is None else f"No such undo entry: {entry}",
            "" if entry is None else "List the entries with `ligan registry undo --list`.",
        )


class Report(Value):
    """What a whole deletion did. `entry` holds it for undo `until` (nanoseconds since 1970), or is None.

    `reason` says why nothing was kept; it is empty where all was.
    """

    deleted: Deleted
    entry: int | None
    until: int
    reason: str


class Deletion:
    """All that one command or request deletes, in one transaction, with one undo entry for it."""

    def __init__(
        self, tx: WriteTransaction, storage: Storage, policy: UndoPolicy, command: str, now: int
    ) -> None:
        self._tx = tx
        self._storage = storage
        self._policy = policy
        self._now = now
        self._until = now + policy.window
        self._reason = NOW if policy.now else NO_WINDOW if not policy.window else KEPT
        self._removals: list[Removal] = []
        self._entry: int | None = None
        if not self._reason:
            row = (command, now, self._until)
            self._entry = tx.insert("INSERT INTO deletion (command, at, until) VALUES (?, ?, ?)", row)

    def of(self, repository: str) -> Removal:
        """Return what removes from a repository; `finish` closes it. Raises NameUnknown."""
        removal = Removal(self._tx, self._storage, repository, self._now, self._entry)
        self._removals.append(removal)
        return removal

    def finish(self) -> Report:
        """Return what the deletion did, once it is decided whether its entry stays."""
        touched: dict[int, tuple[str, int]] = {}
        for removal in self._removals:
            removal.close()
            touched |= removal.touched
        tags = tuple([tag for removal in self._removals for tag in removal.tags])
        manifests = tuple([digest for removal in self._removals for digest in removal.manifests])
        outcome = deleted(self._tx, touched, tags, manifests)
        nothing = not touched and not tags
        reason = KEPT if nothing else self._reason or self._refusal(outcome.held)
        if self._entry is None or not (nothing or reason):
            return Report(outcome, self._entry, self._until if self._entry else 0, reason)
        drop(self._tx, self._storage, [self._entry])
        return Report(deleted(self._tx, touched, tags, manifests), None, 0, reason)

    def _refusal(self, held: int) -> str:
        """Say why these bytes cannot be kept, or return KEPT. What holds none takes no room."""
        if self._entry is None or not held:
            return KEPT
        if self._storage.used_share() > self._policy.disk_limit:
            return DISK_FULL
        budget = self._policy.budget
        return BUDGET if budget is not None and held_by_undo(self._tx) > budget else KEPT


UNDO_ALONE = """
    NOT EXISTS (SELECT 1 FROM link WHERE link.blob = blob.key)
    AND NOT EXISTS (SELECT 1 FROM manifest WHERE manifest.blob = blob.key)
"""


def held_by_undo(tx: ReadTransaction) -> int:
    """Return the bytes on disk that only undo entries hold."""
    sql = f"""SELECT COALESCE(SUM(size), 0) FROM blob
              WHERE key IN (SELECT blob FROM deletion_blob) AND {UNDO_ALONE}"""
    return int(tx.value(sql))


def bytes_of(tx: ReadTransaction, entry: int) -> int:
    """Return the bytes that dropping this entry, and no other, would free."""
    return int(
        tx.value(
            f"""SELECT COALESCE(SUM(size), 0) FROM blob
                WHERE key IN (SELECT blob FROM deletion_blob WHERE deletion = ?1) AND {UNDO_ALONE}
                AND NOT EXISTS (SELECT 1 FROM deletion_blob AS other
                                WHERE other.blob = blob.key AND deletion <> ?1)""",
            (entry,),
        )
    )


def drop(tx: WriteTransaction, storage: Storage, entries: Iterable[int]) -> int:
    """Forget undo entries; what only they held goes. Returns the bytes that go."""
    freed = 0
    for entry in entries:
        key = (entry,)
        blobs = tx.all(
            """SELECT DISTINCT blob, size FROM deletion_blob JOIN blob ON blob.key = deletion_blob.blob
               WHERE deletion = ?""",
            key,
        )
        for what in ("blob", "child", "absent"):
            manifests = "SELECT key FROM deletion_manifest WHERE deletion = ?"
            tx.execute(f"DELETE FROM deletion_manifest_{what} WHERE manifest IN ({manifests})", key)
        for table in ("deletion_manifest", "deletion_link", "deletion_tag", "deletion_tag_history"):
            tx.execute(f"DELETE FROM {table} WHERE deletion = ?", key)
        tx.execute("DELETE FROM deletion WHERE key = ?", key)
        freed += sum(size for blob, size in blobs if release_blob(tx, storage, blob))
    failpoints.hit("registry-undo.dropped")
    return freed


def due_entries(tx: ReadTransaction, now: int) -> list[int]:
    """Return the undo entries whose time is over."""
    return tx.column("SELECT key FROM deletion WHERE until <= ?", (now,))


def drop_due(index: Index, storage: Storage, now: int) -> int:
    """Free what undo has kept whose time is over. Returns bytes.

    It is done from time to time, and so it sees to what others have left: the reserve that a full disk has
    cost, and what pushes have found on their way and trashed, which none of them waits for.
    """
    reserve.keep(index.reserve)
    freed = 0
    if due_entries(index.read(), now):
        with index.write() as tx:
            freed = drop(tx, storage, due_entries(tx, now))
    carry_out(index, storage)
    return freed


def reclaim(index: Index, storage: Storage, entries: Sequence[int]) -> int:
    """Drop undo entries; on return their bytes are off the disk. Returns how many; raises NoSuchEntry."""
    with index.write() as tx:
        for entry in entries:
            if tx.value("SELECT 1 FROM deletion WHERE key = ?", (entry,)) is None:
                raise NoSuchEntry(entry)
        freed = drop(tx, storage, entries)
    carry_out(index, storage)
    return freed


def make_room(index: Index, storage: Storage) -> bool:
    """Drop the oldest undo entries until that frees bytes. Returns whether it did."""
    freed = 0
    while not freed and (oldest := index.read().value("SELECT MIN(key) FROM deletion")) is not None:
        with index.write() as tx:
            freed = drop(tx, storage, [oldest])
        carry_out(index, storage)
    return freed > 0


def with_room(index: Index, storage: Storage, work: Callable[[], T]) -> T:
    """Return what `work` does; where the disk is full, again after the oldest undo entry is dropped."""
    while True:
        try:
            return work()
        except NoSpace:
            if not make_room(index, storage):
                raise
