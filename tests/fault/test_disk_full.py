"""A full disk: undo entries make room, else nothing is half-done; and it can be read and emptied."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from tempfile import TemporaryFile
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from ligan.errors import NoSpace
from ligan.store import reserve
from tests.support import archives, faults
from tests.support.stores import Stock, check_store

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
CAPACITY = 24 * MIB


def load(stock: Stock, name: str, *mebibytes: int, piped: bool = False) -> None:
    """Load the image `name`:1 with layers of these sizes, from a file that is on another disk."""
    made = None
    for number, size in enumerate(mebibytes):
        content = f"{name}{number}".encode() * (size * MIB // len(f"{name}{number}"))
        step = f"{name} {number}"
        made = archives.image(step, "2023-01-01T00:00:00Z", parent=made, add=archives.layer({"f": content}))
    assert made is not None
    archive = faults.archive(archives.Item(made, (f"{name}:1",)))
    with archive if piped else TemporaryFile() as source:
        source.write(archive.getvalue())
        source.seek(0)
        stock.engine.load(source, lambda _progress: None)


def mounted(folder: str, kind: str, *format_options: str) -> Iterator[str]:
    target = os.path.join(folder, "disk")
    os.mkdir(target)
    if kind == "tmpfs":
        source, options = "tmpfs", f"size={CAPACITY}"
    else:
        source, options = os.path.join(folder, "device"), "loop"
        with open(source, "wb") as file:
            file.truncate(CAPACITY + 4 * MIB)  # its own tables
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", *format_options, source], check=True)
    subprocess.run(["mount", "-t", kind, "-o", options, source, target], check=True)
    try:
        yield os.path.join(target, "root")
    finally:
        subprocess.run(["umount", "--lazy", target], check=True)


@pytest.fixture(params=["tmpfs", "ext4"])
def root(request: pytest.FixtureRequest, tmp_path: os.PathLike[str]) -> Iterator[str]:
    """The path of a store on a small disk of its own."""
    yield from mounted(str(tmp_path), request.param)


@pytest.fixture(
    params=[
        "simulated",
        pytest.param("tmpfs", marks=pytest.mark.root),
        pytest.param("ext4", marks=pytest.mark.root),
    ]
)
def small_root(
    request: pytest.FixtureRequest, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The same, or without root: blobs and what is staged may take no more than such a disk has."""
    if request.param != "simulated":
        yield from mounted(str(tmp_path), request.param)
    else:
        path = os.path.join(tmp_path, "root")
        _limit_writes(monkeypatch, path)
        yield path


def _limit_writes(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    write, copy = os.write, os.copy_file_range

    def check(size: int) -> None:
        if _used(root) + size > CAPACITY:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def limited_write(file: int, data: memoryview) -> int:
        check(len(data))
        return write(file, data)

    def limited_copy(source: int, target: int, count: int, *offsets: int) -> int:
        check(count)
        return copy(source, target, count, *offsets)

    monkeypatch.setattr(os, "write", limited_write)
    monkeypatch.setattr(os, "copy_file_range", limited_copy)


def _used(root: str) -> int:
    """Return the bytes of all files, each once however many names it has."""
    sizes = {}
    for folder, _, names in os.walk(root):
        for name in names:
            with suppress(FileNotFoundError):  # another thread has just renamed it
                status = os.stat(os.path.join(folder, name))
                sizes[status.st_ino] = status.st_size
    return sum(sizes.values())


def fill(path: str) -> None:
    """Leave not one byte."""
    with open(path, "wb", buffering=0) as file:
        for size in (MIB, 4096, 512, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    status = os.statvfs(os.path.dirname(path))
    assert status.f_bavail == 0


def ligan(root: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ligan", "--root", root, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LIGAN_UNDO_DISK_LIMIT": "100%"},
    )


def test_a_load_that_does_not_fit_drops_the_oldest_undo_entry(small_root: str) -> None:
    stock = Stock(small_root)
    for name in ("x", "y"):
        load(stock, name, 3, 3)
        stock.engine.remove_images([f"{name}:1"])
    load(stock, "z", 5, 5)
    assert [entry.references for entry in stock.engine.undo_entries()] == [("y:1",)]
    assert set(stock.names()) == {"z:1"}
    stock.engine.undo()
    assert set(stock.names()) == {"y:1", "z:1"}
    stock.store.close()
    check_store(small_root)


def test_two_threads_that_find_the_disk_full_at_once_have_room_made_once(
    store_root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = Stock(store_root)
    write, both = os.write, Barrier(2)
    full = {b"one", b"two"}
    asked = []

    def full_at_first(file: int, data: memoryview) -> int:
        if bytes(data) in full:
            both.wait()
            full.discard(bytes(data))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    def make_room(wanted: int) -> bool:
        asked.append(wanted)
        return True

    monkeypatch.setattr(os, "write", full_at_first)
    with stock.store.lease(make_room) as lease, ThreadPoolExecutor(2) as threads:
        assert {staged.size for staged in threads.map(lease.write, (b"one", b"two"))} == {3}
    assert asked == [3]
    stock.store.close()


@pytest.mark.parametrize(
    ("layers", "piped"),
    [((18,), False), ((9, 9), False), ((18,), True)],
    ids=["one layer", "in threads", "in a pipe"],
)
def test_a_load_that_fits_nowhere_leaves_nothing(
    small_root: str, layers: tuple[int, ...], piped: bool
) -> None:
    stock = Stock(small_root)
    load(stock, "x", 8)
    before = stock.dump()
    disk = stock.disk_bytes()
    with pytest.raises(NoSpace, match=r"^write .*: no space left on device$"):
        load(stock, "z", *layers, piped=piped)
    assert stock.dump() == before
    assert stock.disk_bytes() == disk
    assert os.listdir(stock.store.layout.ingest) == []
    load(stock, "small", 1)
    stock.store.close()
    check_store(small_root)


def test_a_load_that_fits_nowhere_has_dropped_all_entries_first(small_root: str) -> None:
    stock = Stock(small_root)
    load(stock, "x", 8)
    stock.engine.remove_images(["x:1"])
    with pytest.raises(NoSpace):
        load(stock, "z", 30)
    assert stock.engine.undo_entries() == []
    assert stock.disk_bytes() == 0
    stock.store.close()
    check_store(small_root)


@pytest.mark.root
@pytest.mark.parametrize(
    "words",
    [("rmi", "--now", "x:1"), ("rmi", "x:1"), ("reclaim", "--all"), ("tag", "x:1", "y:1"), ("undo",)],
    ids=" ".join,
)
def test_a_disk_without_a_free_byte_is_read_and_emptied(root: str, words: tuple[str, ...]) -> None:
    stock = Stock(root)
    stock.now = time.time_ns()  # the command line's clock
    for name in ("x", "held"):
        load(stock, name, 3)
    stock.engine.remove_images(["held:1"])
    stock.store.close()
    fill(os.path.join(os.path.dirname(root), "filling"))
    for reading in (("images", "-q"), ("inspect", "x:1"), ("history", "x:1"), ("plan", "rmi", "x:1")):
        assert ligan(root, *reading).returncode == 0
    run = ligan(root, *words)
    assert run.returncode == 0, run.stderr
    check_store(root)


@pytest.mark.root
def test_to_look_at_a_disk_that_others_keep_full_leaves_room_to_delete(root: str) -> None:
    stock = Stock(root)
    load(stock, "x", 3)
    stock.store.close()
    for number in range(8):
        fill(os.path.join(os.path.dirname(root), f"filling{number}"))
        assert ligan(root, "images", "-q").returncode == 0
    fill(os.path.join(os.path.dirname(root), "last"))
    run = ligan(root, "rmi", "--now", "x:1")
    assert run.returncode == 0, run.stderr
    check_store(root)


@pytest.fixture
def root_of_few_inodes(tmp_path: os.PathLike[str]) -> Iterator[str]:
    yield from mounted(str(tmp_path), "ext4", "-N", "80")


@pytest.mark.root
def test_a_disk_without_a_free_inode_is_read_and_emptied(root_of_few_inodes: str) -> None:
    root = root_of_few_inodes
    stock = Stock(root)
    stock.now = time.time_ns()  # the command line's clock
    load(stock, "x", 3)
    stock.store.close()
    disk = os.path.dirname(root)

    def take_all(number: int) -> None:
        with suppress(OSError):
            for each in count():
                os.close(os.open(f"{disk}/taken-{number}-{each}", os.O_CREAT, 0o600))
        assert os.statvfs(disk).f_favail == 0

    for number in range(3):
        take_all(number)
        assert ligan(root, "images", "-q").returncode == 0
    take_all(3)
    run = ligan(root, "rmi", "--now", "x:1")
    assert run.returncode == 0, run.stderr
    take_all(4)
    run = ligan(root, "images", "-q")
    assert (run.returncode, "no space left on device" in run.stderr) == (1, True)
    for name in os.listdir(disk):
        if name.startswith("taken"):
            os.unlink(f"{disk}/{name}")
    check_store(root)


@pytest.mark.root
def test_the_reserve_comes_back_when_there_is_room(root: str) -> None:
    stock = Stock(root)
    filling = os.path.join(os.path.dirname(root), "filling")
    load(stock, "x", 3)
    assert os.path.getsize(stock.store.layout.reserve) == reserve.RESERVE_BYTES
    fill(filling)
    stock.engine.tag_image("x:1", "y:1")
    assert not os.path.exists(stock.store.layout.reserve)
    stock.engine.remove_images(["x:1"])
    assert not os.path.exists(stock.store.layout.reserve)
    os.unlink(filling)
    stock.engine.remove_images(["y:1"])
    assert os.stat(stock.store.layout.reserve).st_blocks * 512 >= reserve.RESERVE_BYTES
    stock.store.close()


@pytest.mark.root
def test_a_full_disk_without_a_reserve_says_so(root: str) -> None:
    """Another program was faster to take what the reserve gave back."""
    stock = Stock(root)
    load(stock, "x", 3)
    stock.store.close()
    os.unlink(stock.store.layout.reserve)
    fill(os.path.join(os.path.dirname(root), "filling"))
    run = ligan(root, "rmi", "--now", "x:1")
    assert run.returncode == 1
    assert "no space left on device" in run.stderr
    os.unlink(os.path.join(os.path.dirname(root), "filling"))
    assert ligan(root, "rmi", "--now", "x:1").returncode == 0
    check_store(root)


@pytest.mark.root
def test_a_store_is_not_half_made_on_a_full_disk(root: str) -> None:
    filling = os.path.join(os.path.dirname(root), "filling")
    fill(filling)
    with pytest.raises(NoSpace):
        load(Stock(root), "x", 1)
    os.unlink(filling)
    stock = Stock(root)
    load(stock, "x", 1)
    stock.store.close()
    check_store(root)
