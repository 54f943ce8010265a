"""Downloads: one at a time may fetch a blob, and what it got outlives it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ligan.oci.digest import sha256
from ligan.store.downloads import KEPT_FOR, claim, drop_abandoned

if TYPE_CHECKING:
    from tests.support.stores import Stock

DIGEST = sha256(b"blob")


def fetch(stock: Stock, data: bytes) -> str:
    """Get these bytes of the blob, and break off; returns where they are."""
    download = claim(stock.store.layout, DIGEST)
    assert download is not None
    file = download.open()
    os.write(file, data)
    os.close(file)
    download.close(keep=True)
    return download.path


def test_only_one_may_fetch_a_blob(stock: Stock) -> None:
    layout = stock.store.layout
    first = claim(layout, DIGEST)
    assert first is not None
    assert claim(layout, DIGEST) is None
    first.close(keep=False)
    second = claim(layout, DIGEST)
    assert second is not None
    second.close(keep=False)
    assert not os.listdir(layout.ingest)


def test_bytes_go_on_where_they_ended(stock: Stock) -> None:
    fetch(stock, b"one")
    with open(fetch(stock, b"two"), "rb") as file:
        assert file.read() == b"onetwo"


def test_file_that_is_a_blob_by_now_is_never_written_to(stock: Stock) -> None:
    path = fetch(stock, b"one")
    blob = f"{stock.store.layout.root}/blob"
    os.link(path, blob)
    fetch(stock, b"two")
    with open(blob, "rb") as file:
        assert file.read() == b"one"


def test_recovery_leaves_what_is_young(stock: Stock) -> None:
    path = fetch(stock, b"one")
    stock.now = os.stat(path).st_mtime_ns + KEPT_FOR
    stock.store.recover()
    assert os.path.exists(path)
    stock.now += 1
    stock.store.recover()
    assert not os.listdir(stock.store.layout.ingest)


def test_room_is_made_of_what_nobody_works_on(stock: Stock) -> None:
    fetch(stock, b"one")
    assert drop_abandoned(stock.store.layout) == 3
    held = claim(stock.store.layout, DIGEST)
    assert held is not None
    os.close(held.open())
    assert drop_abandoned(stock.store.layout) == 0
    held.close(keep=False)
    assert not stock.store.make_room(1)
