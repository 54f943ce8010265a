"""Making the tables of a store, and bringing those of an older one up to date."""

from __future__ import annotations

import fcntl
import os

from ligan.errors import Busy, Corrupt
from ligan.store import failpoints
from ligan.store.db import SCHEMA_VERSION, schema_of
from ligan.store.sqlite import sqlite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ligan.store.layout import Layout


def create(connection: sqlite.Connection, layout: Layout) -> None:
    """Make the tables of a new store.

    First calls at once take turns here: SQLite does not wait before it changes the mode of its log.
    """
    folder = os.open(layout.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        connection.execute("PRAGMA journal_mode=WAL")
        _migrate(connection, layout)
    finally:
        os.close(folder)


def migrate_alone(connection: sqlite.Connection, layout: Layout, lock: int) -> None:
    """Bring an older store up to date, while nobody else uses it. `lock` is the shared schema lock, held.

    Raises Busy where others use it.
    """
    _lock_out_others(layout, lock)
    _migrate(connection, layout)
    fcntl.flock(lock, fcntl.LOCK_SH)


def _lock_out_others(layout: Layout, lock: int) -> None:
    """Make the shared lock exclusive, or raise Busy: no process may work on a schema that changes."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy(
            f"the store {layout.root} has to be migrated to schema {SCHEMA_VERSION}",
            f"Stop the processes that use it, then try again: {_holders(layout.schema_lock)}",
        ) from None


def _migrate(connection: sqlite.Connection, layout: Layout) -> None:
    """Bring the schema up to date, all in one transaction.

    Several first calls take turns here; none waits for the end of another, which may be a daemon.
    """
    folder = os.path.join(os.path.dirname(__file__), "schema")
    connection.execute("BEGIN IMMEDIATE")
    version = schema_of(connection, layout)
    if version == 0 and os.listdir(layout.blobs):
        # Not a new store: made anew, its database would call every blob a file too many.
        raise Corrupt(
            f"the database {layout.database} is missing or empty, and its blobs are there",
            "Restore it from a backup of the whole root, or name another store with --root.",
        )
    for name in sorted(os.listdir(folder)):
        if int(name[:4]) > version:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                script = file.read()
            for statement in _statements(script):
                connection.execute(statement)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    failpoints.hit("migrate.rows")
    connection.execute("COMMIT")


def _statements(script: str) -> Iterable[str]:
    """Split a script so that one transaction can hold it (executescript commits first)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite.complete_statement(statement):
            yield statement
            statement = ""


def _holders(path: str) -> str:
    """Name the processes that hold a lock on the file, as far as the kernel tells."""
    inode = str(os.stat(path).st_ino)
    pids = set()
    with open("/proc/locks", encoding="ascii") as table:
        for line in table:
            fields = line.split()
            if fields[-3].rpartition(":")[2] == inode and int(fields[-4]) not in (os.getpid(), -1):
                pids.add(int(fields[-4]))
    return ", ".join(f"process {pid}" for pid in sorted(pids)) or "unknown"
