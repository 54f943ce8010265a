"""The store's database: opening, migrating, and transactions that are visible.

WAL, foreign keys on, synchronous=FULL: a committed transaction survives a
power cut. Many processes share one database; writers take turns, readers
never wait.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3

from ligan.errors import Busy, Corrupt, LiganError, NoSpace, Unavailable, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Any

    from ligan.store.layout import Layout

SCHEMA_VERSION = 1
"""The number of the last file in store/schema."""

BUSY_SECONDS = 60.0
"""How long a writer waits for another's transaction: they last milliseconds, on a slow disk seconds."""


class ReadTransaction:
    """A consistent view of the database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return every row as a tuple."""
        return self._connection.execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the first row as a tuple, or None."""
        return self._connection.execute(sql, parameters).fetchone()

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the first column of the first row, or None."""
        row = self._connection.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    def column(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return the first column of every row."""
        return [row[0] for row in self._connection.execute(sql, parameters)]


class WriteTransaction(ReadTransaction):
    """The one writer of the moment: what it reads stays true until it ends."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Return how many rows changed."""
        return self._connection.execute(sql, parameters).rowcount

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(sql, rows)

    def insert(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Return the key of the new row."""
        key = self._connection.execute(sql, parameters).lastrowid
        assert key is not None
        return key


class _ReadScope:
    """`with database.read() as tx`: one snapshot."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connection
        self._nested = self._connection.in_transaction

    def __enter__(self) -> ReadTransaction:
        if not self._nested:
            self._connection.execute("BEGIN")
        return ReadTransaction(self._connection)

    def __exit__(self, *_exception: object) -> None:
        if not self._nested:
            self._connection.execute("ROLLBACK")


class _WriteScope:
    """`with database.write() as tx`: commits at the end, rolls back on an exception."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> WriteTransaction:
        try:
            self._database.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise explain(error, self._database.path) from error
        return WriteTransaction(self._database.connection)

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, _trace: TracebackType | None
    ) -> None:
        connection = self._database.connection
        try:
            if kind is None:
                connection.execute("COMMIT")
            elif connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise explain(error, self._database.path) from error
        if isinstance(exception, sqlite3.Error):
            raise explain(exception, self._database.path) from exception


class Database:
    """One process's connection. Not shared between threads."""

    def __init__(self, connection: sqlite3.Connection, path: str, schema_lock: int) -> None:
        self.connection = connection
        self.path = path
        self._schema_lock = schema_lock

    def read(self) -> _ReadScope:
        return _ReadScope(self)

    def write(self) -> _WriteScope:
        return _WriteScope(self)

    def close(self) -> None:
        self.connection.close()
        if self._schema_lock >= 0:
            os.close(self._schema_lock)


def open_database(layout: Layout) -> Database:
    """Open the store's database, making or migrating it where needed.

    On return this process holds the shared schema lock until `close`. Raises
    Unsupported for a store of a newer Ligan, Busy where others keep a migration
    from running, Unavailable where the files cannot be used.
    """
    if not os.access(layout.root, os.W_OK):
        return _open_read_only(layout)
    lock = os.open(layout.schema_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    connection = None
    try:
        connection = _connect(layout.database)
        version = _version(connection, layout)
        if version == 0:
            connection.execute("PRAGMA journal_mode=WAL")
        if version < SCHEMA_VERSION:
            _migrate(connection, layout, lock)
    except BaseException as error:
        if connection is not None:
            connection.close()
        os.close(lock)
        if isinstance(error, sqlite3.Error):
            raise explain(error, layout.database) from error
        raise
    return Database(connection, layout.database, lock)


def _connect(target: str, *, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(target, timeout=BUSY_SECONDS, isolation_level=None, uri=uri)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


def _open_read_only(layout: Layout) -> Database:
    """Open a store on a file system, or as a user, that may only read."""
    if not os.path.exists(layout.database):
        raise Unavailable(
            f"cannot write to the store {layout.root}: {os.strerror(_access_error(layout.root))}",
            "Run as the user who owns it, or name another store with --root.",
        )
    wal = layout.database + "-wal"
    # Changes that are still in the log cannot be read without its shared memory file.
    logged = os.path.exists(wal) and os.path.getsize(wal)
    mode = "mode=ro" if logged else "mode=ro&immutable=1"
    try:
        connection = _connect(f"file:{_quoted(layout.database)}?{mode}", uri=True)
        version = _version(connection, layout)
    except sqlite3.Error as error:
        raise explain(error, layout.database) from error
    if version != SCHEMA_VERSION:
        connection.close()
        raise Unavailable(f"the store {layout.root} has to be migrated, and cannot be written")
    return Database(connection, layout.database, -1)


def _access_error(path: str) -> int:
    import errno

    return errno.EROFS if os.statvfs(path).f_flag & os.ST_RDONLY else errno.EACCES


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _version(connection: sqlite3.Connection, layout: Layout) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise Unsupported(
            f"the store {layout.root} has schema {version}; this Ligan knows {SCHEMA_VERSION}",
            "Upgrade Ligan, or name another store with --root.",
        )
    return version


def _migrate(connection: sqlite3.Connection, layout: Layout, lock: int) -> None:
    """Bring the schema up to date, one transaction a file, while no other process has the store open."""
    try:
        # The kernel drops the shared lock while it waits for the exclusive one: check the version again.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if _version(connection, layout) == 0:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two first calls at once: the other one is about to finish
        else:
            raise Busy(
                f"the store {layout.root} has to be migrated to schema {SCHEMA_VERSION}",
                f"Stop the processes that use it, then try again: {_holders(layout.schema_lock)}",
            ) from None
    folder = os.path.join(os.path.dirname(__file__), "schema")
    for name in sorted(os.listdir(folder)):
        number = int(name[:4])
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            script = file.read()
        connection.execute("BEGIN IMMEDIATE")
        if _version(connection, layout) < number:
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number}")
        connection.execute("COMMIT")
    fcntl.flock(lock, fcntl.LOCK_SH)


def _statements(script: str) -> Iterable[str]:
    """Split a script so that one transaction can hold it (executescript commits first)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
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


def explain(error: sqlite3.Error, path: str) -> LiganError:
    """Turn an error of SQLite into one for people."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy(f"another process has been writing to {path} for over {BUSY_SECONDS:.0f} seconds")
    if code == sqlite3.SQLITE_FULL:
        return NoSpace(f"write {path}: no space left on device")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Corrupt(
            f"the database {path} is damaged: {error}", "Restore it from a backup of the whole root."
        )
    if code == sqlite3.SQLITE_READONLY:
        return Unavailable(f"cannot write to {path}: the store is read-only")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
        return Unavailable(f"cannot use {path}: {error}")
    return Corrupt(f"the database {path} refused an operation: {error}", "Run `ligan fsck`.")
