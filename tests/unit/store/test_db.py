from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from ligan.errors import Busy, Corrupt, Invalid, Unavailable, Unsupported
from ligan.store import db
from ligan.store.db import SCHEMA_VERSION, open_database
from ligan.store.layout import Layout
from ligan.store.store import Store
from tests.support.stores import KEEP, Stock

OPEN_AND_STAY = """
import sys
from ligan.store.layout import Layout
from ligan.store.store import Policy, Store
store = Store(Layout(sys.argv[1]), Policy())
with store.database.read() as tx:
    assert tx.value("SELECT count(*) FROM image") == 0
print("open", flush=True)
sys.stdin.read()
store.close()
"""


@pytest.fixture
def layout(tmp_path: object) -> Layout:
    layout = Layout(f"{tmp_path}/root")
    for folder in layout.folders:
        os.mkdir(folder)
    return layout


def test_an_empty_store_gets_the_newest_schema(layout: Layout) -> None:
    database = open_database(layout)
    with database.read() as tx:
        assert tx.value("PRAGMA user_version") == SCHEMA_VERSION
        assert tx.value("PRAGMA journal_mode") == "wal"
        assert tx.value("PRAGMA synchronous") == 2
        assert tx.value("PRAGMA foreign_keys") == 1
    database.close()


def test_only_what_need_not_be_durable_waits_for_no_disk(layout: Layout) -> None:
    database = open_database(layout)
    with database.write(durable=False) as tx:
        assert tx.value("PRAGMA synchronous") == 1
    with database.write() as tx:
        assert tx.value("PRAGMA synchronous") == 2
    with pytest.raises(ZeroDivisionError), database.write(durable=False):
        raise ZeroDivisionError
    with database.rehearse(), database.write(durable=False) as tx:
        assert tx.value("PRAGMA synchronous") == 2
    database.close()


def test_the_schema_files_are_numbered_up_to_the_version() -> None:
    names = sorted(os.listdir(os.path.join(os.path.dirname(db.__file__), "schema")))
    assert [int(name[:4]) for name in names] == list(range(1, SCHEMA_VERSION + 1))


def test_first_calls_at_once_do_not_wait_for_each_others_end(tmp_path: object) -> None:
    """All of them stay open, as a daemon does."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_STAY, f"{tmp_path}/root"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
    finally:
        for process in processes:
            process.communicate("")
    assert [process.returncode for process in processes] == [0, 0, 0, 0]


def test_a_newer_schema_is_refused(layout: Layout) -> None:
    open_database(layout).close()
    connection = sqlite3.connect(layout.database)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(Unsupported, match=f"schema {SCHEMA_VERSION + 1}; this Ligan knows {SCHEMA_VERSION}"):
        open_database(layout)


def test_a_migration_names_the_process_that_blocks_it(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_STAY, layout.root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        monkeypatch.setattr(db, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
        with pytest.raises(Busy) as refused:
            open_database(layout)
        assert f"process {other.pid}" in refused.value.hint
    finally:
        other.communicate("")
    open_database(layout).close()  # the other one has ended: now it runs


def _forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere: have the system say no."""
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)


def test_a_store_that_may_only_be_read_is_read(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    stock = Stock(f"{tmp_path}/root")
    image = stock.image("a", names=["app:1"])
    stock.store.close()
    _forbid(monkeypatch)
    stock = Stock(f"{tmp_path}/root")
    assert stock.names() == {"app:1": image}
    assert stock.engine.plan_removal(["app:1"]).rows
    with pytest.raises(Unavailable, match="cannot write to the store"):
        stock.engine.remove_images(["app:1"])
    with pytest.raises(Unavailable, match="cannot write to the store"):
        stock.engine.tag_image("app:1", "app:2")
    stock.store.close()


def test_a_folder_without_a_store_that_may_only_be_read_is_refused(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    _forbid(monkeypatch)
    with pytest.raises(Unavailable, match="cannot write to the store"):
        open_database(layout)


def test_a_database_that_is_none_is_told(layout: Layout) -> None:
    with open(layout.database, "wb") as file:
        file.write(b"no database " * 1000)
    with pytest.raises(Corrupt, match="is damaged"):
        open_database(layout)


def test_damage_that_a_query_meets_is_told(tmp_path: object) -> None:
    stock = Stock(f"{tmp_path}/root")
    stock.image("a", names=["app:1"])
    with stock.store.database.read() as tx:
        page, size = tx.value("SELECT rootpage FROM sqlite_schema WHERE name = 'image'"), 4096
        assert tx.value("PRAGMA page_size") == size
    stock.store.close()
    with open(stock.store.layout.database, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    stock = Stock(f"{tmp_path}/root")
    with pytest.raises(Corrupt, match="is damaged"):
        stock.engine.list_images({})
    stock.store.close()


def test_an_exception_rolls_back(layout: Layout) -> None:
    database = open_database(layout)
    with pytest.raises(Corrupt), database.write() as tx:
        tx.execute_many("INSERT INTO blob (digest, size) VALUES (?, 1)", [("x",), ("x",)])
    with database.read() as tx:
        assert tx.value("SELECT count(*) FROM blob") == 0
    database.close()


@pytest.mark.parametrize("scope", ["read", "write", "rehearse"])
def test_words_that_are_no_text_are_refused(layout: Layout, scope: str) -> None:
    database = open_database(layout)
    word = os.fsdecode(b"caf\xe9")
    with pytest.raises(Invalid, match="is not UTF-8"), getattr(database, scope)() as tx:
        tx.value("SELECT 1 FROM reference WHERE name = ?", (word,))
    assert not database.connection.in_transaction
    database.close()


def test_a_database_that_is_lost_is_not_made_anew_over_its_blobs(tmp_path: object) -> None:
    stock = Stock(f"{tmp_path}/root")
    stock.image("a")
    stock.store.close()
    os.unlink(stock.store.layout.database)
    with pytest.raises(Corrupt, match="is missing or empty, and its blobs are there"):
        Stock(f"{tmp_path}/root")


def test_a_reader_keeps_its_view_while_another_writes(layout: Layout) -> None:
    reader, writer = open_database(layout), open_database(layout)
    with reader.read() as view:
        assert view.value("SELECT count(*) FROM blob") == 0
        with writer.write() as tx:
            assert tx.insert("INSERT INTO blob (digest, size) VALUES ('x', 1)") == 1
        assert view.value("SELECT count(*) FROM blob") == 0
    with reader.read() as view:
        assert view.column("SELECT digest FROM blob") == ["x"]
    reader.close()
    writer.close()


def test_a_second_writer_is_told_who_is_in_the_way(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.0)
    first, second = open_database(layout), open_database(layout)
    with first.write(), pytest.raises(Busy, match="another process has been writing"):
        second.write().__enter__()
    first.close()
    second.close()


@pytest.mark.parametrize("name", ["", "blobs", "ingest", "trash"])
def test_a_file_where_a_folder_should_be_is_told(tmp_path: object, name: str) -> None:
    root = f"{tmp_path}/root"
    if name:
        os.mkdir(root)
    with open(f"{root}/{name}".rstrip("/"), "wb"):
        pass
    with pytest.raises(Unavailable, match="not a directory"):
        Store(Layout(root), KEEP)


def test_a_store_that_cannot_be_made_is_told(tmp_path: object) -> None:
    with open(f"{tmp_path}/file", "wb"):
        pass
    with pytest.raises(Unavailable, match="cannot make the store"):
        Store(Layout(f"{tmp_path}/file/root"), KEEP)
