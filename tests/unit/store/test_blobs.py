from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from ligan.errors import NoSpace
from ligan.oci.digest import sha256
from ligan.store import blobs
from ligan.store.blobs import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.store.blobs import Staged
    from tests.support.stores import Stock


def hold(stock: Stock, staged: Sequence[Staged]) -> None:
    """Have a row name each blob, so that the store is sound."""
    with stock.store.database.write() as tx:
        for key in stock_keys(stock, staged):
            tx.execute("INSERT INTO layer_blob VALUES (?, ?, 'gzip')", (f"sha256:{key}", key))


def stock_keys(stock: Stock, staged: Sequence[Staged]) -> list[int]:
    with stock.store.database.read() as tx:
        return [key for item in staged if (key := find(tx, item.digest)) is not None]


def test_staged_bytes_become_a_blob_of_their_digest(stock: Stock) -> None:
    with stock.store.lease() as lease:
        staged = lease.write_chunks([b"ab", memoryview(b"c")])
        assert (staged.digest, staged.size) == (sha256(b"abc"), 3)
        with stock.store.database.write() as tx:
            keys = lease.commit(tx, [staged, staged])
        assert list(keys) == [staged.digest]
    with open(stock.store.layout.blob(staged.digest), "rb") as file:
        assert file.read() == b"abc"
    assert os.listdir(stock.store.layout.ingest) == []
    hold(stock, [staged])


def test_a_blob_that_is_there_keeps_its_row_and_takes_the_verified_bytes(stock: Stock) -> None:
    path = stock.store.layout.blob(sha256(b"abc"))
    keys = []
    for size_of_damage in (0, 3):
        with stock.store.lease() as lease:
            staged = lease.write(b"abc")
            for _ in range(2):
                with stock.store.database.write() as tx:
                    keys.append(lease.commit(tx, [staged])[staged.digest])
        with open(path, "rb") as file:
            assert file.read() == b"abc"
        os.truncate(path, size_of_damage)
    assert len(set(keys)) == 1
    hold(stock, [staged])


def test_a_file_that_no_row_names_is_replaced(stock: Stock) -> None:
    path = stock.store.layout.blob(sha256(b"abc"))
    with open(path, "wb") as file:
        file.write(b"not that")
    with stock.store.lease() as lease:
        staged = lease.write(b"abc")
        with stock.store.database.write() as tx:
            lease.commit(tx, [staged])
    with open(path, "rb") as file:
        assert file.read() == b"abc"
    hold(stock, [staged])


def test_a_blob_that_waits_to_be_swept_is_taken_back(stock: Stock) -> None:
    name = stock.store.layout.blob_name(sha256(b"abc"))
    with stock.store.database.write() as tx:
        tx.execute("INSERT INTO outbox (name) VALUES (?)", (name,))
    with stock.store.lease() as lease:
        staged = lease.write(b"abc")
        with stock.store.database.write() as tx:
            lease.commit(tx, [staged])
    stock.store.sweep()
    assert os.path.exists(stock.store.layout.blob(staged.digest))
    hold(stock, [staged])


def test_a_transaction_that_fails_leaves_no_file(stock: Stock) -> None:
    def fail() -> None:
        with stock.store.lease() as lease:
            staged = lease.write(b"abc")
            with stock.store.database.write() as tx:
                lease.commit(tx, [staged])
                raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert os.listdir(stock.store.layout.blobs) == []
    assert os.listdir(stock.store.layout.ingest) == []


def test_a_range_of_a_file_is_copied_and_hashed(stock: Stock, tmp_path: object) -> None:
    with open(f"{tmp_path}/source", "w+b") as file, stock.store.lease() as lease:
        file.write(b"0123456789")
        file.flush()
        seen: list[int] = []
        staged = lease.copy_range(file.fileno(), 2, 5, seen.append)
        assert (staged.digest, sum(seen)) == (sha256(b"23456"), 5)
        with pytest.raises(EOFError):
            lease.copy_range(file.fileno(), 8, 5)


def test_a_range_is_copied_where_the_kernel_cannot(
    stock: Stock, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(errno.EXDEV, "other file system")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(blobs, "CHUNK", 3)
    with open(f"{tmp_path}/source", "w+b") as file, stock.store.lease() as lease:
        file.write(b"0123456789")
        file.flush()
        assert lease.copy_range(file.fileno(), 1, 8).digest == sha256(b"12345678")


def _full_until(monkeypatch: pytest.MonkeyPatch, stock: Stock, room: int) -> None:
    """Let the disk be full while the store holds more than `room` bytes in blobs."""
    write = os.write

    def full(file: int, data: bytes | memoryview) -> int:
        if stock.disk_bytes() > room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", full)


def test_on_a_full_disk_the_oldest_undo_entries_make_room(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("app:1", "app:2", "app:3"):
        stock.image(name, names=[name])
        stock.engine.remove_images([name])
    _full_until(monkeypatch, stock, stock.disk_bytes() - 11_000)
    stock.image("new", names=["new:1"])
    assert [entry.references for entry in stock.engine.undo_entries()] == [("app:3",)]
    assert "new:1" in stock.names()


def test_a_full_disk_that_cannot_be_emptied_stores_nothing(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock.image("a", names=["app:1"])
    before = stock.dump()
    _full_until(monkeypatch, stock, 0)
    with pytest.raises(NoSpace, match="no space left on device"):
        stock.image("new", names=["new:1"])
    assert stock.dump() == before
    assert os.listdir(stock.store.layout.ingest) == []


def test_spooled_bytes_go_with_the_lease(stock: Stock) -> None:
    with stock.store.lease() as lease:
        path = lease.spool([b"a", b"b"])
        with open(path, "rb") as file:
            assert file.read() == b"ab"
    assert not os.path.exists(path)
