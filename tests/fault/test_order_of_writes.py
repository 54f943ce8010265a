"""The order of writes, watched: bytes, link, folder, row; and row, then bytes."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.support import faults
from tests.support.stores import Stock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Step = tuple[str, str]
"""What was done, and to which file or by which statement."""


class Watched:
    """A store whose system calls and statements are written down in `steps`."""

    def __init__(self, stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stock = stock
        self.steps: list[Step] = []
        for name in ("link", "rename", "unlink"):
            monkeypatch.setattr(os, name, self._watched(name))
        monkeypatch.setattr(os, "fsync", self._fsync(os.fsync))
        stock.store.database.connection.set_trace_callback(self._statement)

    def _watched(self, name: str) -> Callable[..., None]:
        call = getattr(os, name)

        def watched(*paths: str) -> None:
            call(*paths)
            self.steps.append((name, " ".join(paths)))

        return watched

    def _fsync(self, call: Callable[[int], None]) -> Callable[[int], None]:
        def fsync(file: int) -> None:
            inode = os.fstat(file).st_ino
            call(file)
            self.steps.append(("fsync", str(inode)))

        return fsync

    def _statement(self, sql: str) -> None:
        self.steps.append(("sql", " ".join(sql.split())))

    def find(self, what: str, about: str, start: int = 0) -> int:
        """Return the index of the first such step; that there is one is part of what is tested."""
        for index, (kind, text) in enumerate(self.steps[start:], start):
            if kind == what and about in text:
                return index
        raise AssertionError(f"no {what} of {about} after step {start} of {self.steps}")

    def count(self, what: str, about: str = "") -> int:
        return sum(kind == what and about in text for kind, text in self.steps)


@pytest.fixture
def watched(store_root: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    stock = Stock(store_root)
    with monkeypatch.context() as patch:
        yield Watched(stock, patch)
    stock.store.close()


def test_a_commit_is_durable(watched: Watched) -> None:
    """What the other tests rely on: a COMMIT is on the disk when it returns."""
    with watched.stock.store.database.read() as tx:
        assert tx.value("PRAGMA journal_mode") == "wal"
        assert tx.value("PRAGMA synchronous") == 2
        assert tx.value("PRAGMA foreign_keys") == 1


def test_bytes_are_synced_linked_and_the_folder_synced_before_the_row_commits(watched: Watched) -> None:
    faults.load(watched.stock)
    folder = watched.stock.store.layout.blobs
    names = os.listdir(folder)
    assert len(names) >= 6  # by root, with an index for each layer
    for name in names:
        path = os.path.join(folder, name)
        synced = watched.find("fsync", str(os.stat(path).st_ino))
        linked = watched.find("link", path)
        row = watched.find("sql", f"INSERT INTO blob (digest, size) VALUES ('sha256:{name}'")
        folder_synced = watched.find("fsync", str(os.stat(folder).st_ino), linked)
        committed = watched.find("sql", "COMMIT", row)
        assert synced < watched.find("sql", "BEGIN IMMEDIATE", synced) < linked < folder_synced < committed
        # Recovery goes by the name in the lease: it may only go when the row is there.
        assert committed < watched.find("unlink", f"/{name}", linked)
    assert watched.count("sql", "INSERT INTO blob") == len(names)


@pytest.mark.parametrize("verb", [faults.rmi_now, faults.prune_now])
def test_nothing_is_unlinked_before_its_row_is_gone_for_good(
    watched: Watched, verb: Callable[[Stock], None]
) -> None:
    faults.load(watched.stock)
    _check_removal(watched, verb)


@pytest.mark.parametrize("verb", [faults.reclaim_all, faults.reclaim])
def test_what_undo_held_goes_in_the_same_order(watched: Watched, verb: Callable[[Stock], None]) -> None:
    faults.load(watched.stock)
    (faults.rmi if verb is faults.reclaim_all else faults.rmi_long_ago)(watched.stock)
    _check_removal(watched, verb)


def test_making_room_goes_in_the_same_order(watched: Watched) -> None:
    faults.load(watched.stock)
    faults.rmi(watched.stock)
    _check_removal(watched, lambda stock: stock.store.make_room(1))


def _check_removal(watched: Watched, verb: Callable[[Stock], object]) -> None:
    layout = watched.stock.store.layout
    there = set(os.listdir(layout.blobs))
    with watched.stock.store.database.read() as tx:
        keys = {digest[7:]: key for digest, key in tx.all("SELECT digest, key FROM blob")}
    watched.steps.clear()
    verb(watched.stock)
    gone = there - set(os.listdir(layout.blobs))
    assert gone
    for name in gone:
        row = watched.find("sql", f"DELETE FROM blob WHERE key = {keys[name]}")
        committed = watched.find("sql", "COMMIT", row)
        moved = watched.find("rename", f"{layout.blobs}/{name}")
        trashed = watched.steps[moved][1].split()[1]
        moved_for_good = watched.find("sql", "COMMIT", moved)
        assert committed < watched.find("sql", "BEGIN IMMEDIATE", committed) < moved
        assert moved_for_good < watched.find("unlink", trashed)
    assert watched.count("rename") == watched.count("unlink") == len(gone)


def test_a_rolled_back_delete_touches_no_file(watched: Watched) -> None:
    faults.load(watched.stock)
    watched.steps.clear()
    with suppress(faults.Stop), watched.stock.store.database.write() as tx:
        tx.execute("DELETE FROM reference")
        raise faults.Stop
    assert [kind for kind, _text in watched.steps] == ["sql"] * 3
    assert watched.steps[-1] == ("sql", "ROLLBACK")
