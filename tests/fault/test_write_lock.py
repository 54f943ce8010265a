"""Under the write lock nothing is done that takes as long as the bytes are many."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import faults
from tests.support.stores import Stock

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

SLOW = {
    "copy_file_range",
    "fdatasync",
    "new",
    "openssl_sha256",
    "pread",
    "preadv",
    "pwrite",
    "pwritev",
    "read",
    "readall",
    "readinto",
    "recv",
    "send",
    "sendfile",
    "sleep",
    "splice",
    "truncate",
    "update",
    "write",
    "writev",
}
"""Functions written in C that read, write, hash, send or wait, whatever object they belong to."""

HARMLESS = (dict, set)
"""Types that have an `update` of their own."""


class Watch:
    """Notes what C functions a thread calls between BEGIN IMMEDIATE and the end of the transaction."""

    def __init__(self, stock: Stock) -> None:
        self.found: list[str] = []
        self.transactions = 0
        self._locked = False
        stock.store.database.connection.set_trace_callback(self._statement)

    def __enter__(self) -> Watch:
        sys.setprofile(self._call)
        return self

    def __exit__(self, *_exception: object) -> None:
        sys.setprofile(None)

    def _statement(self, sql: str) -> None:
        if sql == "BEGIN IMMEDIATE":
            self._locked = True
            self.transactions += 1
        elif sql in ("COMMIT", "ROLLBACK"):
            self._locked = False

    def _call(self, frame: FrameType, event: str, function: Any) -> None:
        if not self._locked or event != "c_call":
            return
        name, owner = function.__name__, getattr(function, "__self__", None)
        if name in SLOW and not isinstance(owner, HARMLESS):
            self.found.append(f"{name} in {frame.f_code.co_filename}:{frame.f_lineno}")
        if name == "fsync" and frame.f_code.co_name != "sync_folder":
            self.found.append(f"fsync of a file in {frame.f_code.co_name}")


VERBS: list[tuple[Callable[[Stock], None], tuple[Callable[[Stock], None], ...]]] = [
    (faults.load, ()),
    (faults.load_b, (faults.load, faults.rmi)),
    (faults.tag, (faults.load,)),
    (faults.rmi, (faults.load,)),
    (faults.rmi_now, (faults.load,)),
    (faults.prune_now, (faults.load,)),
    (faults.undo, (faults.load, faults.rmi)),
    (faults.reclaim_all, (faults.load, faults.rmi)),
]


@pytest.mark.parametrize(("verb", "before"), VERBS, ids=[verb.__name__ for verb, _before in VERBS])
def test_bytes_are_not_worked_on_under_the_write_lock(
    verb: Callable[[Stock], None], before: tuple[Callable[[Stock], None], ...], store_root: str
) -> None:
    stock = Stock(store_root)
    try:
        for step in before:
            step(stock)
        with Watch(stock) as watch:
            verb(stock)
        assert watch.transactions
        assert watch.found == []
    finally:
        stock.store.close()


def test_the_watch_sees_what_it_should(store_root: str) -> None:
    stock = Stock(store_root)
    try:
        with Watch(stock) as watch, stock.store.lease() as lease, stock.store.database.write():
            lease.write(b"bytes")
        found = " ".join(watch.found)
        for name in ("update", "write", "fsync of a file"):
            assert name in found
    finally:
        stock.store.close()


def test_readers_and_staging_do_not_wait_for_a_writer(store_root: str) -> None:
    """A long transaction of one process holds up neither listing nor the copying of a load."""
    writer, other = Stock(store_root), Stock(store_root)
    try:
        faults.load(writer)
        with writer.store.database.write() as tx:
            tx.execute("DELETE FROM event")
            assert len(other.engine.list_images({})) == 3
            with other.store.lease() as lease:
                lease.write(b"bytes")
    finally:
        writer.store.close()
        other.store.close()
