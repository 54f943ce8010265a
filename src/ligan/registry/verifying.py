"""Making the index say what the disk does, at every start: another registry may have been here in between.

A folder that the index knows nothing of is taken in whole before it is served. Of one that it knows, the
blobs are compared by their folders, links by their names, tags by what they hold, in small transactions
between the requests that are served meanwhile; the repository that a request is about comes first. Times of
folders would not do: `registry:2` empties the folder of a link, and moves a tag, without a trace above them.

Until all is done no blob is unlinked (`deleting.sweep`): a repository not yet looked at may name it.
"""

from __future__ import annotations

import time

from ligan.registry.adopting import Taken, add_blob, find_blob_row, forget_blob, take_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ligan.registry.index.database import Index, ReadTransaction, WriteTransaction
    from ligan.registry.storage.filesystem import FilesystemStorage

    Report = Callable[[int, int, int], None]
    """Is told how many repositories of how many are done, and how many manifests they have."""

_TURN = 0.05
"""Seconds after which a transaction takes up no other shard or repository: other writers wait."""

# Rows that come in by the million refer to those that came a moment before: looking each up takes a third.
_FOR_MANY_ROWS = ("cache_size=-65536", "foreign_keys=OFF")
_AS_USUAL = ("cache_size=-2000", "foreign_keys=ON")


def is_unknown(tx: ReadTransaction) -> bool:
    """Return whether the index has nothing, not even something left to remove."""
    return not any(tx.value(f"SELECT 1 FROM {table}") for table in ("blob", "repository", "outbox"))


def is_verifying(tx: ReadTransaction) -> bool:
    """Return whether the index may still say other things than the disk."""
    return tx.value("SELECT 1 FROM verifying") is not None


def adopt(index: Index, storage: FilesystemStorage, report: Report) -> Taken:
    """Fill an empty index with all that the folder has, in one scan and one transaction."""
    for setting in _FOR_MANY_ROWS:
        index.connection.execute(f"PRAGMA {setting}")
    try:
        with index.write() as tx:
            return _adopt(tx, storage, report)
    finally:
        for setting in _AS_USUAL:
            index.connection.execute(f"PRAGMA {setting}")


def _adopt(tx: WriteTransaction, storage: FilesystemStorage, report: Report) -> Taken:
    # Sorting once at the end is several times as fast as keeping every index in order on the way.
    orders = tx.all("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
    for name, _sql in orders:
        tx.execute(f"DROP INDEX {name}")
    keys: dict[str, int] = {}
    for shard in storage.shards():
        found = sorted(storage.scan_shard(shard, ()).items())
        first = len(keys) + 1
        tx.execute_many(
            "INSERT INTO blob (key, digest, size) VALUES (?, ?, ?)",
            [(key, digest, size) for key, (digest, size) in enumerate(found, first)],
        )
        keys.update((digest, key) for key, (digest, _size) in enumerate(found, first))
    names = sorted(storage.repositories())
    taken = Taken()
    for number, name in enumerate(names, 1):
        taken = taken.plus(take_in(tx, storage, name, keys.get))
        report(number, len(names), taken.new)
    for _name, sql in orders:
        tx.execute(sql)
    return taken


def _for_a_turn(names: Sequence[str], compare: Callable[[str], None]) -> Sequence[str]:
    """Compare one after the other, until the turn is over. Returns those that are left."""
    end = time.monotonic() + _TURN
    for number, name in enumerate(names, 1):
        compare(name)
        if time.monotonic() > end:
            return names[number:]
    return ()


class Verification:
    """One comparison of the whole. All of it runs in the thread that writes to the index."""

    def __init__(self, index: Index, storage: FilesystemStorage) -> None:
        """From now on no blob is unlinked, by any process."""
        self._storage = storage
        self._shards: Sequence[str] = [f"{number:02x}" for number in range(256)]
        self._names: Sequence[str] | None = None
        self._done: set[str] = set()
        self.taken = Taken()
        with index.write() as tx:
            tx.execute("INSERT OR IGNORE INTO verifying (one) VALUES (1)")

    def has_verified(self, repository: str) -> bool:
        return repository in self._done

    def verify(self, index: Index, repository: str) -> None:
        """On return the index says what the disk does of this repository."""
        taken: dict[str, Taken] = {}
        with index.write() as tx:
            self._verify(tx, repository, taken)
        self._remember(taken)

    def go_on(self, index: Index) -> bool:
        """Compare some more. Returns whether that was all, and blobs may be unlinked again."""
        if self._shards:
            with index.write() as tx:
                shards = _for_a_turn(self._shards, lambda shard: self._verify_shard(tx, shard))
            self._shards = shards
            return False
        taken: dict[str, Taken] = {}
        with index.write() as tx:
            names = self._all_names(tx) if self._names is None else self._names
            names = _for_a_turn(names, lambda name: self._verify(tx, name, taken))
            if not names:
                tx.execute("DELETE FROM verifying")
        self._names = names
        self._remember(taken)
        return not names

    def _all_names(self, tx: WriteTransaction) -> Sequence[str]:
        return sorted({*tx.column("SELECT name FROM repository"), *self._storage.repositories()})

    def _remember(self, taken: Mapping[str, Taken]) -> None:
        """Count what was committed; what was rolled back will have to be looked at again."""
        for name, each in taken.items():
            self.taken = self.taken.plus(each)
            self._done.add(name)

    def _verify(self, tx: WriteTransaction, repository: str, taken: dict[str, Taken]) -> None:
        if repository not in self._done:
            storage = self._storage
            taken[repository] = take_in(
                tx, storage, repository, lambda digest: find_blob_row(tx, storage, digest)
            )

    def _verify_shard(self, tx: WriteTransaction, shard: str) -> None:
        known = set(
            tx.column(
                "SELECT digest FROM blob WHERE digest >= ?1 AND digest < ?1 || 'g'", (f"sha256:{shard}",)
            )
        )
        found = self._storage.scan_shard(shard, known)
        for digest in known - found.keys():
            forget_blob(tx, self._storage, digest)
        new = [(digest, size) for digest, size in sorted(found.items()) if size >= 0]
        if new:
            going = set(tx.column("SELECT path FROM outbox WHERE path GLOB 'blobs/*'"))
            for digest, size in new:
                if self._storage.blob_folder(digest) not in going:
                    add_blob(tx, self._storage, digest, size)
