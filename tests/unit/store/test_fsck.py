"""Each fault that fsck can find is made here, found, and mended if it can be without losing an image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ligan.oci.digest import Digest
from ligan.store import fsck
from tests.support.stores import Stock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ligan.store.db import ReadTransaction
    from ligan.store.layout import Layout


@pytest.fixture
def broken(tmp_path: object) -> Iterator[Stock]:
    """A store of two images on a shared layer, and one deleted; nobody checks it when the test is over."""
    stock = Stock(f"{tmp_path}/store")
    stock.image("base", "one", names=["app:1"])
    stock.image("base", "two", names=["app:2"])
    stock.image("three", names=["app:3"])
    stock.engine.remove_images(["app:3"])
    yield stock
    stock.store.close()


def write(stock: Stock, sql: str, *parameters: object) -> None:
    stock.store.database.connection.execute("PRAGMA foreign_keys=OFF")
    with stock.store.database.write() as tx:
        assert tx.execute(sql, parameters)
    stock.store.database.connection.execute("PRAGMA foreign_keys=ON")


def a_blob(stock: Stock) -> str:
    with stock.store.database.read() as tx:
        digest = tx.value(
            "SELECT blob.digest FROM layer JOIN blob ON blob.key = layer.blob WHERE depth = 1 AND live"
        )
    return stock.store.layout.blob(Digest(digest))


def found(stock: Stock) -> list[str]:
    return [fault.problem for fault in stock.engine.fsck()]


def test_a_sound_store_has_no_fault(broken: Stock) -> None:
    assert broken.engine.fsck() == []
    assert broken.engine.fsck(repair=True) == []


def _overwrite(path: str, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.write(data)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda stock: os.unlink(a_blob(stock)), "no such file or directory"),
        (lambda stock: os.truncate(a_blob(stock), 7), "7 bytes on disk, 10240 in the books"),
        (lambda stock: _overwrite(a_blob(stock), b"x"), "its bytes hash to sha256:"),
        (
            lambda stock: write(stock, "UPDATE layer SET chain_id = 'sha256:x' WHERE key = 2"),
            "its chain ID should be",
        ),
        (lambda stock: write(stock, "UPDATE layer SET depth = 3 WHERE depth = 2"), "depth or size differs"),
        (
            lambda stock: write(stock, "UPDATE layer SET chain_size = 99 WHERE depth = 2"),
            "depth or size differs",
        ),
        (
            lambda stock: write(stock, "UPDATE layer SET blob = (SELECT config FROM image)"),
            "its tar is sha256:",
        ),
        (
            lambda stock: write(stock, "UPDATE image SET id = 'sha256:x' WHERE key = 1"),
            "its config is another blob",
        ),
        (
            lambda stock: write(stock, "UPDATE reference SET is_digest = 1"),
            "differs from its repository or kind",
        ),
        (
            lambda stock: write(stock, "UPDATE reference SET repository = 'x'"),
            "differs from its repository or kind",
        ),
        (lambda stock: write(stock, "DELETE FROM image WHERE key = 1"), "names a missing image"),
    ],
)
def test_damage_is_found_and_not_hidden_by_a_repair(
    broken: Stock, damage: Callable[[Stock], None], problem: str
) -> None:
    damage(broken)
    assert any(problem in item for item in found(broken))
    names = broken.dump()["reference"] if "missing image" not in problem else []
    assert any(problem in fault.problem for fault in broken.engine.fsck(repair=True))
    if names:
        assert broken.dump()["reference"] == names


def _leave_files(stock: Stock) -> None:
    layout = stock.store.layout
    with open(f"{layout.blobs}/{'0' * 64}", "wb") as one, open(f"{layout.trash}/99", "wb"):
        one.write(b"left over")
    os.mkdir(layout.lease("1-dead"))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda stock: write(stock, "UPDATE layer SET live = 0 WHERE depth = 2"), "held, but not live"),
        (lambda stock: write(stock, "UPDATE layer SET live = 1 WHERE NOT live"), "live without a holder"),
        (lambda stock: write(stock, "DELETE FROM deletion_image"), "nothing holds it"),
        (
            lambda stock: write(stock, "INSERT INTO outbox (name) VALUES ('blobs/sha256/x')"),
            "waits to be removed",
        ),
        (_leave_files, "no row names it"),
        (_leave_files, "waits to be unlinked"),
        (_leave_files, "left by a process that died"),
    ],
)
def test_what_can_be_mended_is(broken: Stock, damage: Callable[[Stock], None], problem: str) -> None:
    before = broken.dump()
    damage(broken)
    faults = broken.engine.fsck()
    assert problem in [fault.problem for fault in faults]
    assert all(fault.repairable for fault in faults), faults
    assert broken.engine.fsck(repair=True) == []
    assert broken.dump() == before


def test_what_another_process_deletes_meanwhile_is_no_fault(
    broken: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Stock(broken.store.layout.root)
    look = fsck._blob_files

    def look_late(tx: ReadTransaction, layout: Layout) -> list[fsck.Fault]:
        monkeypatch.setattr(fsck, "_blob_files", look)
        assert other.engine.remove_images(["app:1"], now=True).report.freed
        return look(tx, layout)

    monkeypatch.setattr(fsck, "_blob_files", look_late)
    assert broken.engine.fsck() == []
    other.store.close()


@pytest.mark.parametrize("folder", ["blobs", "blobs/sha256", "layers", "containers", "ingest", "trash"])
def test_a_folder_that_is_missing_is_found_and_made_anew(broken: Stock, folder: str) -> None:
    path = f"{broken.store.layout.root}/{folder}"
    os.rename(path, f"{path}.away")
    assert f"folder {folder}: is missing" in [str(fault) for fault in broken.engine.fsck()]
    left = broken.engine.fsck(repair=True)
    assert {fault.problem for fault in left} <= {"no such file or directory"}
    assert bool(left) == folder.startswith("blobs"), "what was in it is not made up"


def test_without_reading_data_a_changed_byte_goes_unseen(broken: Stock) -> None:
    _overwrite(a_blob(broken), b"x")
    assert broken.engine.fsck(read_data=False) == []


def test_a_fault_says_what_it_is_about(broken: Stock) -> None:
    os.unlink(a_blob(broken))
    (fault,) = broken.engine.fsck()
    assert str(fault) == f"blob sha256:{os.path.basename(a_blob(broken))}: no such file or directory"
