"""A store that can only be read is read; one that cannot be used says why, in one sentence."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Corrupt, LiganError, Unavailable, Unsupported
from ligan.store.db import SCHEMA_VERSION
from ligan.store.layout import Layout
from tests.support import faults
from tests.support.stores import Stock, check_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READING: dict[str, Callable[[Stock], object]] = {
    "images": lambda stock: stock.engine.list_images({}, show_all=True),
    "inspect": lambda stock: stock.engine.inspect_image("b:1"),
    "raw config": lambda stock: stock.engine.inspect_raw_config("b:1"),
    "history": lambda stock: stock.engine.history("b:1"),
    "why": lambda stock: stock.engine.why("b:1"),
    "plan rmi": lambda stock: stock.engine.plan_removal(["b:1"]),
    "plan prune": lambda stock: stock.engine.plan_prune({}),
    "save": lambda stock: stock.engine.save(["b:1"], io.BytesIO()),
    "system df": lambda stock: stock.engine.disk_usage(),
    "system df -v": lambda stock: stock.engine.image_usage(),
    "undo --list": lambda stock: stock.engine.undo_entries(),
    "pins": lambda stock: stock.engine.pins(),
    "info": lambda stock: stock.engine.info(),
}

WRITING: dict[str, Callable[[Stock], object]] = {
    "load": faults.load,
    "import": faults.import_image,
    "tag": faults.tag,
    "rmi": faults.rmi,
    "rmi --now": faults.rmi_now,
    "prune": faults.prune,
    "apply": lambda stock: stock.engine.apply_plan(stock.engine.plan_removal(["b:1"])),
    "undo": faults.undo,
    "reclaim": faults.reclaim_all,
    "pin": lambda stock: stock.engine.pin("b:*"),
    "unpin": lambda stock: stock.engine.unpin("a:*"),
    "fsck --repair": lambda stock: stock.engine.fsck(repair=True),
}


class Frozen:
    """A folder on a file system that may only be read; who is not root cannot mount, and may not write."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._is_root = os.geteuid() == 0

    def __enter__(self) -> str:
        """Return the words of the system for what is refused."""
        if self._is_root:
            subprocess.run(["mount", "--bind", self._path, self._path], check=True)
            subprocess.run(["mount", "-o", "remount,ro,bind", self._path], check=True)
            return "read-only file system"
        self._allow(0o500, 0o400)
        return "permission denied"

    def __exit__(self, *_exception: object) -> None:
        if self._is_root:
            subprocess.run(["umount", "--lazy", self._path], check=True)
        else:
            self._allow(0o700, 0o600)

    def _allow(self, folders: int, files: int) -> None:
        for folder, _names, names in os.walk(self._path):
            os.chmod(folder, folders)
            for name in names:
                os.chmod(os.path.join(folder, name), files)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with three images, a pin and an undo entry."""
    root = str(tmp_path_factory.mktemp("filled") / "root")
    stock = Stock(root)
    faults.load(stock)
    stock.engine.pin("a:*")
    faults.rmi(stock)
    faults.load_b(stock)
    stock.store.close()
    return root


@pytest.fixture(scope="module")
def frozen(filled: str) -> Iterator[tuple[str, str]]:
    """The same, which may only be read; and the system's words for that."""
    with Frozen(filled) as words:
        yield filled, words
        check_store(filled)


@pytest.mark.parametrize("verb", READING)
def test_a_read_only_store_is_read(verb: str, frozen: tuple[str, str]) -> None:
    root, _words = frozen
    stock = Stock(root)
    try:
        READING[verb](stock)
    finally:
        stock.store.close()


@pytest.mark.parametrize("verb", WRITING)
def test_a_read_only_store_refuses_to_be_written(verb: str, frozen: tuple[str, str]) -> None:
    root, words = frozen
    stock = Stock(root)
    try:
        with pytest.raises(Unavailable) as raised:
            WRITING[verb](stock)
    finally:
        stock.store.close()
    assert raised.value.message == f"cannot write to the store {root}: {words}"
    assert "--root" in raised.value.hint


def test_the_command_line_says_it_in_one_sentence(frozen: tuple[str, str]) -> None:
    root, words = frozen
    run = subprocess.run(
        [sys.executable, "-m", "ligan", "--root", root, "rmi", "b:1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert f"cannot write to the store {root}: {words}\n" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_store_whose_writer_was_killed_is_read_where_nothing_can_be_repaired(store_root: str) -> None:
    """What it had committed is in the log: the store is read with it, and nothing written."""
    faults.run_killed(store_root, "load", "commit.done")
    log = Layout(store_root).database + "-wal"
    assert os.path.getsize(log)
    with Frozen(store_root):
        stock = Stock(store_root)
        assert set(stock.names()) == {"a:1"}
        assert [fault.problem for fault in stock.engine.fsck()] == ["left by a process that died"]
        stock.store.close()
    faults.run(store_root, "repair")


def test_a_log_that_cannot_be_read_is_not_left_out(store_root: str) -> None:
    """Without the log's shared memory an older state could be read. That is refused."""
    faults.run_killed(store_root, "load", "commit.done")
    os.unlink(Layout(store_root).database + "-shm")
    with Frozen(store_root), pytest.raises(Unavailable, match="the last changes are in its log"):
        Stock(store_root)
    faults.run(store_root, "repair")


def test_an_empty_folder_that_may_only_be_read_is_no_store(tmp_path: os.PathLike[str]) -> None:
    root = os.path.join(tmp_path, "root")
    os.mkdir(root)
    with Frozen(root) as words, pytest.raises(Unavailable, match=f"cannot make the store {root}: {words}"):
        Stock(root)


def test_a_store_is_made_with_its_parents(tmp_path: os.PathLike[str]) -> None:
    root = os.path.join(tmp_path, "a", "b", "root")
    Stock(root).store.close()
    check_store(root)


@pytest.mark.parametrize("place", ["root", "root/blobs", "root/blobs/sha256", "root/ingest"])
def test_a_file_in_the_place_of_a_folder_is_named(place: str, tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, place)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb"):
        pass
    with pytest.raises(Unavailable, match=f"{path} is not a directory"):
        Stock(os.path.join(tmp_path, "root"))


def test_a_file_among_the_parents_is_an_error_of_the_system(tmp_path: os.PathLike[str]) -> None:
    with open(os.path.join(tmp_path, "file"), "wb"):
        pass
    with pytest.raises(Unavailable, match=r"cannot make the store .*: not a directory"):
        Stock(os.path.join(tmp_path, "file", "root"))


def test_a_store_of_a_newer_ligan_is_left_alone(store_root: str) -> None:
    Stock(store_root).store.close()
    _set_version(store_root, 99)
    with pytest.raises(Unsupported, match="has schema 99; this Ligan knows"):
        Stock(store_root)
    with Frozen(store_root), pytest.raises(Unsupported, match="has schema 99; this Ligan knows"):
        Stock(store_root)
    _set_version(store_root, SCHEMA_VERSION)


def test_a_store_of_an_older_ligan_cannot_be_migrated_where_it_is_read_only(store_root: str) -> None:
    Stock(store_root).store.close()
    _set_version(store_root, 0)
    with Frozen(store_root), pytest.raises(Unavailable, match="has to be migrated, and cannot be written"):
        Stock(store_root)
    _set_version(store_root, SCHEMA_VERSION)


def _set_version(root: str, version: int) -> None:
    connection = sqlite3.connect(Layout(root).database)
    connection.execute(f"PRAGMA user_version={version}")
    connection.close()


def _overwrite(path: str, start: int, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(data)


def test_a_file_that_is_no_database_is_called_damaged(tmp_path: os.PathLike[str]) -> None:
    root = _loaded(tmp_path)
    _overwrite(Layout(root).database, 0, b"not a database" * 100)
    with pytest.raises(Corrupt, match="is damaged: file is not a database") as raised:
        Stock(root)
    assert "backup" in raised.value.hint


def test_a_database_with_damaged_pages_is_called_damaged(tmp_path: os.PathLike[str]) -> None:
    """Whatever is read or written first: no error of SQLite gets through as it is."""
    root = _loaded(tmp_path)
    path = Layout(root).database
    connection = sqlite3.connect(path)
    pages = [row[0] for row in connection.execute("SELECT rootpage FROM sqlite_schema WHERE rootpage > 1")]
    connection.close()
    for page in pages:
        _overwrite(path, (page - 1) * 4096, b"\xff" * 4096)
    for verb in (READING["images"], READING["save"], faults.tag, faults.load, faults.rmi_now):
        stock = Stock(root)
        try:
            with pytest.raises(Corrupt, match="damaged"):
                verb(stock)
        finally:
            stock.store.close()


@pytest.mark.parametrize("lose", [os.unlink, lambda path: os.truncate(path, 0)], ids=["lost", "emptied"])
def test_a_lost_database_is_not_made_anew_over_its_blobs(
    lose: Callable[[str], None], tmp_path: os.PathLike[str]
) -> None:
    root = _loaded(tmp_path)
    blobs = os.listdir(Layout(root).blobs)
    lose(Layout(root).database)
    with pytest.raises(Corrupt, match="missing or empty, and its blobs are there"):
        Stock(root)
    assert os.listdir(Layout(root).blobs) == blobs


def _loaded(folder: os.PathLike[str]) -> str:
    root = os.path.join(folder, "root")
    stock = Stock(root)
    faults.load(stock)
    stock.store.close()
    return root


def test_a_missing_or_foreign_file_in_the_root_does_no_harm(store_root: str) -> None:
    stock = Stock(store_root)
    faults.load(stock)
    stock.store.close()
    os.unlink(Layout(store_root).schema_lock)
    with open(os.path.join(store_root, "ingest", "note"), "wb"):
        pass
    faults.run(store_root, "rmi")
    faults.run(store_root, "undo")
    os.unlink(os.path.join(store_root, "ingest", "note"))


@pytest.mark.parametrize("name", ["ligan.db", "schema.lock"])
def test_a_folder_in_the_place_of_a_file_is_an_error_with_a_path(
    name: str, tmp_path: os.PathLike[str]
) -> None:
    root = os.path.join(tmp_path, "root")
    os.makedirs(os.path.join(root, name))
    with pytest.raises(LiganError, match=name):
        Stock(root)
