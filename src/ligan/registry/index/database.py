"""The index's database: transactions that are visible, and its migrations.

One file, several processes: the server, and commands that look or delete beside it. Writers take turns.
"""

from __future__ import annotations

import os

from ligan.errors import Corrupt, LiganError, NoSpace, Unavailable, Unsupported
from ligan.store.reserve import release_if_full, release_to_read
from ligan.store.sqlite import ReadTransaction as ReadTransaction  # everyone takes them from here
from ligan.store.sqlite import WriteTransaction as WriteTransaction
from ligan.store.sqlite import sqlite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

BUSY_SECONDS = 60.0
"""How long a writer waits for another's transaction: they last milliseconds."""

_SCHEMA = os.path.join(os.path.dirname(__file__), "schema")


class _Write:
    """`with index.write() as tx`: commits at the end, rolls back on an exception."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def __enter__(self) -> WriteTransaction:
        release_if_full(self._index.reserve)
        try:
            self._index.connection.execute("BEGIN IMMEDIATE")
        except sqlite.Error as error:
            raise explain(error, self._index.path) from error
        return WriteTransaction(self._index.connection)

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, _trace: TracebackType | None
    ) -> None:
        connection = self._index.connection
        try:
            if kind is None:
                connection.execute("COMMIT")
            elif connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise explain(error, self._index.path) from error
        if isinstance(exception, sqlite.Error | OSError):
            raise explain(exception, self._index.path) from exception


class _Rehearsal(_Write):
    """`with index.rehearse() as tx`: what is written inside is rolled back at the end."""

    def __exit__(self, *_exception: object) -> None:
        if self._index.connection.in_transaction:  # some errors have ended it
            self._index.connection.execute("ROLLBACK")


class Index:
    """One thread's connection."""

    def __init__(self, connection: sqlite.Connection, path: str) -> None:
        self.connection = connection
        self.path = path
        self.reserve = reserve_of(path)

    def read(self) -> ReadTransaction:
        """Return a view in which each statement sees what is committed by then."""
        return ReadTransaction(self.connection)

    def write(self) -> _Write:
        return _Write(self)

    def rehearse(self) -> _Rehearsal:
        return _Rehearsal(self)

    def close(self) -> None:
        self.connection.close()


def open_index(path: str) -> Index:
    """Open the index, which `create_index` has made or brought up to date."""
    release_to_read(reserve_of(path))
    try:
        connection = sqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite.Error as error:
        raise explain(error, path) from error
    return Index(connection, path)


def reserve_of(path: str) -> str:
    """The path of the disk space that is kept for deletes on a full disk."""
    return os.path.join(os.path.dirname(path), "reserve")


def create_index(path: str) -> None:
    """On return there is an index of this schema. Raises Unsupported for that of a newer Ligan."""
    index = open_index(path)
    try:
        index.connection.execute("PRAGMA journal_mode=WAL")
        scripts = sorted(os.listdir(_SCHEMA))
        if index.read().value("PRAGMA user_version") == len(scripts):
            return
        with index.write() as tx:
            version = tx.value("PRAGMA user_version")
            if version > len(scripts):
                raise Unsupported(
                    f"the registry's index {path} has schema {version}; this Ligan knows {len(scripts)}",
                    "Upgrade Ligan, or name another folder with --root.",
                )
            for name in scripts[version:]:
                _execute_script(tx, os.path.join(_SCHEMA, name))
            tx.execute(f"PRAGMA user_version={len(scripts)}")
    finally:
        index.close()


def _execute_script(tx: WriteTransaction, path: str) -> None:
    """Execute a script inside of a transaction (executescript commits first)."""
    statement = ""
    with open(path, encoding="utf-8") as file:
        for line in file:
            statement += line
            if sqlite.complete_statement(statement):
                tx.execute(statement)
                statement = ""


def explain(error: sqlite.Error | OSError, path: str) -> LiganError:
    """Turn an error of SQLite or the system into one for people; `path` is what was worked on."""
    import errno

    hint = "Look at the disk and at who owns the folder of the registry."
    if isinstance(error, OSError):
        path = os.fsdecode(error.filename or path)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return NoSpace(f"no space left for {path}")
        return Unavailable(f"cannot use {path}: {(error.strerror or str(error)).lower()}", hint)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite.SQLITE_FULL:
        return NoSpace(f"no space left for {path}")
    if code in (sqlite.SQLITE_CORRUPT, sqlite.SQLITE_NOTADB):
        return Corrupt(f"the registry's index {path} is damaged: {error}", "Restore it from a backup.")
    return Unavailable(f"cannot use the registry's index {path}: {error}", hint)
