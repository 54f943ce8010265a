"""The build cache: what builds have made and can use again, as rows that hold layers and folders.

A step's digest covers all that its result depends on: the layers below by their content, its text expanded,
the sums of what it copies. Of several results of one step the newest counts; `--no-cache` makes another.
"""

from __future__ import annotations

import os

from ligan.build.locks import Locks
from ligan.images import catalog
from ligan.oci.digest import ChainID
from ligan.store.reclaim import release_layer, release_tree
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.store import Store

REGULAR, MOUNT = "regular", "exec.cachemount"


class Result(Value):
    """What a step has made: a layer by its key, chain ID and diff ID. `created` is in nanoseconds since 1970.

    `row` is the key of the cache's row.
    """

    row: int
    layer: int
    chain_id: ChainID
    diff_id: str
    created: int


class CacheRecord(Value):
    """A row as `system df -v` shows it. `size` is in bytes; `shared`: an image has the layer too.

    Times are nanoseconds since 1970. `in_use`: a build uses it now.
    """

    id: str
    kind: str
    parent: str
    description: str
    size: int
    created: int
    last_used: int
    uses: int
    shared: bool
    in_use: bool


_RESULT = """
    SELECT build_cache.key, layer.key, chain_id, diff_id, created
    FROM build_cache JOIN layer ON layer.key = build_cache.layer
"""


def find(tx: ReadTransaction, step: str) -> Result | None:
    """Return the newest result of a step."""
    return _result(tx.one(f"{_RESULT} WHERE step = ? ORDER BY build_cache.key DESC LIMIT 1", (step,)))


def find_content(tx: ReadTransaction, content: str) -> Result | None:
    """Return the newest result of a step that copied the same, wherever that came from."""
    return _result(tx.one(f"{_RESULT} WHERE content = ? ORDER BY build_cache.key DESC LIMIT 1", (content,)))


def _result(row: tuple[int, int, str, str, int] | None) -> Result | None:
    return row and Result(row[0], row[1], ChainID(row[2]), row[3], row[4])


def is_there(tx: ReadTransaction, row: int) -> bool:
    """Return whether no prune has taken a row that was found before it could be locked."""
    return tx.value("SELECT 1 FROM build_cache WHERE key = ?", (row,)) is not None


def rename(tx: WriteTransaction, row: int, step: str) -> None:
    """Have a result found by another digest next time: what is copied was found elsewhere."""
    tx.execute("UPDATE build_cache SET step = ? WHERE key = ?", (step, row))


def use(tx: WriteTransaction, rows: Sequence[int], now: int) -> None:
    """Note that a build used these rows again."""
    tx.execute_many(
        "UPDATE build_cache SET last_used = ?, uses = uses + 1 WHERE key = ?", [(now, row) for row in rows]
    )


_MINUTE = 60 * 10**9


def is_fresh(tx: ReadTransaction, rows: Sequence[int], now: int) -> bool:
    """Return whether all these rows were used in the last minute: that is not worth another write."""
    return not any(
        tx.value("SELECT last_used < ? FROM build_cache WHERE key = ?", (now - _MINUTE, row)) for row in rows
    )


def add(tx: WriteTransaction, step: str, content: str | None, layer: int, description: str, now: int) -> int:
    """Write a new result of a step; its layer is live on return. Returns the key of the row."""
    row = tx.insert(
        """INSERT INTO build_cache (id, step, content, kind, layer, description, created, last_used)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (new_id(), step, content, REGULAR, layer, description, now, now),
    )
    catalog.revive_layer(tx, layer)
    return row


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def new_id() -> str:
    """Return 25 random letters and digits: the form of BuildKit's IDs."""
    number, text = int.from_bytes(os.urandom(17)), ""
    while len(text) < 25:
        number, digit = divmod(number, 36)
        text += _DIGITS[digit]
    return text


_RECORDS = """
    SELECT build_cache.key, build_cache.id, kind,
           COALESCE((SELECT below.id FROM build_cache below
                     WHERE below.layer = layer.parent ORDER BY below.key LIMIT 1), ''),
           description, COALESCE(layer.size, 0), created, last_used, uses,
           layer.key IN (SELECT key FROM imaged)
    FROM build_cache LEFT JOIN layer ON layer.key = build_cache.layer
    ORDER BY last_used, build_cache.key
"""
_IMAGED = """
    WITH RECURSIVE imaged (key) AS (
        SELECT layer FROM image WHERE layer IS NOT NULL
        UNION SELECT parent FROM layer JOIN imaged USING (key) WHERE parent IS NOT NULL)
"""


def records(store: Store) -> list[CacheRecord]:
    """Return every row, the least recently used first. Measures the folders of cache mounts."""
    with store.database.read() as tx:
        rows = _rows(tx, store)
    with Locks(store.layout) as locks:
        return [row.replace(in_use=store.database.is_writable and locks.is_used(key)) for key, row in rows]


def _rows(tx: ReadTransaction, store: Store) -> list[tuple[int, CacheRecord]]:
    found = []
    for key, name, kind, parent, description, size, created, last_used, uses, shared in tx.all(
        _IMAGED + _RECORDS
    ):
        if kind == MOUNT:
            size = _folder_size(store.layout.cache(name))
        record = CacheRecord(
            name, kind, parent, description, size, created, last_used, uses, bool(shared), False
        )
        found.append((key, record))
    return found


def _folder_size(path: str) -> int:
    from ligan.store.trees import tree_size

    try:
        return tree_size(path)
    except FileNotFoundError:
        return 0  # a build has only just written its row


class CachePruned(Value):
    """What a prune has removed, the least recently used first, and the bytes that nothing holds any more."""

    removed: tuple[CacheRecord, ...]
    bytes: int


def prune(
    store: Store, filters: Mapping[str, Sequence[str]], *, everything: bool = False, keep: int = 0
) -> CachePruned:
    """Remove what no build uses; what images have too only with `everything`. Raises Invalid.

    The least recently used goes first, until no more than `keep` bytes of what could go are left.
    """
    wanted = _Filter(filters, store.now())
    removed: list[CacheRecord] = []
    with Locks(store.layout) as locks:
        with store.database.write() as tx:
            rows = [(key, row) for key, row in _rows(tx, store) if everything or not row.shared]
            total = sum(row.size for _key, row in rows)
            for key, row in rows:
                if keep and total <= keep:
                    break
                if not wanted.takes(row) or not locks.take(key):
                    continue
                _delete(tx, store, key, row)
                removed.append(row)
                total -= row.size
        store.sweep()
    return CachePruned(tuple(removed), sum(row.size for row in removed if not row.shared))


def _delete(tx: WriteTransaction, store: Store, key: int, row: CacheRecord) -> None:
    layer = tx.value("SELECT layer FROM build_cache WHERE key = ?", (key,))
    tx.execute("DELETE FROM build_cache WHERE key = ?", (key,))
    if row.kind == MOUNT:
        release_tree(tx, store.layout.cache_name(row.id))
    else:
        catalog.retire_layer(tx, layer)
        release_layer(tx, store.layout, layer)


class _Filter:
    """Docker's filters of a prune of the cache: until or unused-for, id, and what a row is like.

    `shared`, `private` and `inuse` without a value are to be true. An id is one by any part of it. Nothing
    of the cache has a label: where labels choose, of all that a `system prune` may take, it stays.

    Source: engine 20.10, builder/builder-next/builder.go.
    """

    def __init__(self, filters: Mapping[str, Sequence[str]], now: int) -> None:
        from ligan.errors import Invalid

        for name, values in filters.items():
            if name not in ("until", "unused-for", "id", *_LABELS, *_FACTS):
                raise Invalid(f"Invalid filter '{name}'")
            if len(values) > 1 and name not in ("id", *_LABELS):
                raise Invalid("filters expect only one value")
        until = [*filters.get("until", ()), *filters.get("unused-for", ())]
        if len(until) > 1:
            raise Invalid("filters expect only one value")
        self._filters = filters
        self._until = None
        if until:
            from ligan.images.times import until_time

            self._until = until_time(until[0], now)

    def takes(self, row: CacheRecord) -> bool:
        if any(name in self._filters for name in _LABELS):
            return False
        if self._until is not None and row.last_used > self._until:
            return False
        wanted = self._filters.get("id", ())
        return (not wanted or any(part in row.id for part in wanted)) and all(
            _FACTS[name](row) == (values[0] or "true")
            for name, values in self._filters.items()
            if name in _FACTS
        )


_LABELS = ("label", "label!")


def _told(is_so: bool) -> str:
    return "true" if is_so else "false"


_FACTS: Mapping[str, Callable[[CacheRecord], str]] = {
    "type": lambda row: row.kind,
    "description": lambda row: row.description,
    "parent": lambda row: row.parent,
    "shared": lambda row: _told(row.shared),
    "private": lambda row: _told(not row.shared),
    "inuse": lambda row: _told(row.in_use),
}


class MountFolder(Value):
    """The folder of a cache mount. `is_new`: nothing is in it yet."""

    path: str
    is_new: bool


def mount_step(mount_id: str, origin: str = "") -> str:
    """Return the digest that cache mounts have for their step: those of this ID that begin as this one."""
    import hashlib

    text = f"mount {mount_id}\0{origin}" if origin else f"mount {mount_id}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def mount_folder(
    store: Store, locks: Locks, mount_id: str, origin: str = "", *, private: bool
) -> MountFolder:
    """Return the folder of a cache mount, which nobody prunes until the end of `locks`.

    `origin` tells what is in it and whose it is at first, where that is not the usual: as to BuildKit, one
    that begins in another way is another one. A `private` one is used by nobody else meanwhile: where all
    are in use, another is made.
    """
    step = mount_step(mount_id, origin)
    with locks.step(f"{step[:-1]}0"):  # not the step itself: that one is locked for the time of its use
        with store.database.read() as tx:
            rows = tx.all("SELECT key, id FROM build_cache WHERE step = ? ORDER BY key", (step,))
        for key, name in rows:
            if private:
                if not locks.take(key):
                    continue
            else:
                locks.use(key)
            with store.database.write() as tx:
                if is_there(tx, key):
                    use(tx, [key], store.now())
                    return MountFolder(store.layout.cache(name), False)
        return _new_mount(store, locks, step, mount_id)


def _new_mount(store: Store, locks: Locks, step: str, mount_id: str) -> MountFolder:
    from ligan.store.folders import NewFolders

    name, now = new_id(), store.now()
    with (
        store.lease() as lease,
        NewFolders(store.layout, lease) as folders,
        store.database.write() as tx,
    ):
        folders.make([store.layout.cache_name(name)])
        row = tx.insert(
            """INSERT INTO build_cache (id, step, kind, description, created, last_used)
               VALUES (?, ?, ?, ?, ?, ?)""",
            (name, step, MOUNT, f"cached mount {mount_id} from exec", now, now),
        )
        locks.use(row)
    return MountFolder(store.layout.cache(name), True)
