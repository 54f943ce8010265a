from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from ligan.oci.digest import sha256
from ligan.store.recover import abandoned_leases, leases_on

if TYPE_CHECKING:
    from tests.support.stores import Stock

STAGE = """
import os, sys
from ligan.store.layout import Layout
from ligan.store.store import Policy, Store
store = Store(Layout(sys.argv[1]), Policy(disk_limit=1.0))
lease = store.lease()
staged = lease.write(b"abc")
lease.spool([b"spooled"])
if "linked" in sys.argv:
    os.link(staged.path, store.layout.blob(staged.digest))
print(lease.path, flush=True)
sys.stdin.read()
os._exit(9)
"""


def _stage(stock: Stock, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", STAGE, stock.store.layout.root, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(stock.store.layout.ingest)
    return process


def test_what_a_dead_process_staged_goes_with_the_file_it_linked(stock: Stock) -> None:
    process = _stage(stock, "linked")
    process.communicate("")
    assert len(abandoned_leases(stock.store.layout)) == 1
    assert os.path.exists(stock.store.layout.blob(sha256(b"abc")))
    stock.store.recover()
    assert os.listdir(stock.store.layout.blobs) == os.listdir(stock.store.layout.ingest) == []


def test_a_blob_whose_row_came_stays(stock: Stock) -> None:
    process = _stage(stock, "linked")
    process.communicate("")
    with stock.store.database.write() as tx:
        tx.execute("INSERT INTO blob (digest, size) VALUES (?, 3)", (sha256(b"abc"),))
        tx.execute("INSERT INTO layer_blob SELECT 'sha256:x', key, 'gzip' FROM blob")
    stock.store.recover()
    assert stock.disk_bytes() == 3


def test_a_file_that_another_process_stored_stays(stock: Stock) -> None:
    process = _stage(stock)
    process.communicate("")
    with open(stock.store.layout.blob(sha256(b"abc")), "wb") as file:
        file.write(b"abc")
    stock.store.recover()
    assert stock.disk_bytes() == 3
    os.unlink(stock.store.layout.blob(sha256(b"abc")))


def test_the_lease_of_a_living_process_is_left_alone(stock: Stock) -> None:
    process = _stage(stock)
    try:
        stock.store.recover()
        (lease,) = os.listdir(stock.store.layout.ingest)
        assert sha256(b"abc").hex in os.listdir(stock.store.layout.lease(lease))
        assert abandoned_leases(stock.store.layout) == []
        assert leases_on(stock.store.layout, sha256(b"abc").hex[:12]) == [lease]
        answer = stock.engine.why(sha256(b"abc"))
        assert [(holder.kind, holder.detail) for holder in answer.holders] == [
            ("lease", f"process {process.pid} is storing it")
        ]
    finally:
        process.communicate("")
    assert leases_on(stock.store.layout, sha256(b"abc").hex) == []
    stock.store.recover()
    assert os.listdir(stock.store.layout.ingest) == []


def test_what_a_killed_sweep_left_goes(stock: Stock) -> None:
    layout = stock.store.layout
    with open(f"{layout.trash}/7", "wb"), open(layout.blob(sha256(b"abc")), "wb"):
        pass
    with stock.store.database.write() as tx:
        for name in (layout.blob_name(sha256(b"abc")), layout.blob_name(sha256(b"gone"))):
            tx.execute("INSERT INTO outbox (name) VALUES (?)", (name,))
    stock.store.recover()
    assert os.listdir(layout.trash) == os.listdir(layout.blobs) == []


def test_undo_entries_that_are_due_go(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    stock.engine.remove_images(["app:1"])
    stock.now += stock.store.policy.window - 1
    stock.store.recover()
    assert len(stock.engine.undo_entries()) == 1
    stock.now += 1
    stock.store.recover()
    assert (stock.engine.undo_entries(), stock.disk_bytes()) == ([], 0)
