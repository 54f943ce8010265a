"""The store's database: opening, migrating, and transactions that are visible.

WAL, foreign keys on, synchronous=FULL: a committed transaction survives a
power cut, unless it says that it need not. Many processes share one database;
writers take turns, readers never wait.
"""

from __future__ import annotations

import errno
import fcntl
import os

from ligan.errors import Busy, Corrupt, Invalid, LiganError, NoSpace, Unavailable, Unsupported
from ligan.store import reserve
from ligan.store.sqlite import ReadTransaction as ReadTransaction  # everyone takes them from here
from ligan.store.sqlite import WriteTransaction as WriteTransaction
from ligan.store.sqlite import sqlite as sqlite3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ligan.store.layout import Layout

SCHEMA_VERSION = 5
"""The number of the last file in store/schema."""

BUSY_SECONDS = 60.0
"""How long a writer waits for another's transaction: they last milliseconds, on a slow disk seconds."""


class _ReadScope:
    """`with database.read() as tx`: one snapshot."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connection
        self._path = database.path
        self._nested = self._connection.in_transaction

    def __enter__(self) -> ReadTransaction:
        if not self._nested:
            self._connection.execute("BEGIN")
        return ReadTransaction(self._connection)

    def __exit__(
        self, _kind: type[BaseException] | None, exception: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not self._nested and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        if isinstance(exception, sqlite3.Error | UnicodeEncodeError):
            raise explain(exception, self._path) from exception


class _WriteScope:
    """`with database.write() as tx`: commits at the end, rolls back on an exception.

    In a rehearsal it is a part of that, which ends it.
    """

    def __init__(self, database: Database, *, durable: bool = True) -> None:
        self._database = database
        self._is_lazy = not durable and not database.is_rehearsing

    def __enter__(self) -> WriteTransaction:
        if self._database.is_rehearsing:
            return WriteTransaction(self._database.connection)
        self._database.check_writable()
        reserve.release_if_full(self._database.layout.reserve)
        if self._is_lazy:
            self._database.connection.execute("PRAGMA synchronous=NORMAL")
        try:
            self._database.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._wait_for_disk_again()
            raise explain(error, self._database.path) from error
        return WriteTransaction(self._database.connection)

    def _wait_for_disk_again(self) -> None:
        if self._is_lazy:
            self._database.connection.execute("PRAGMA synchronous=FULL")

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, _trace: TracebackType | None
    ) -> None:
        connection = self._database.connection
        try:
            if self._database.is_rehearsing:
                pass
            elif kind is None:
                connection.execute("COMMIT")
            elif connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise explain(error, self._database.path) from error
        finally:
            self._wait_for_disk_again()
        if isinstance(exception, sqlite3.Error | OSError | UnicodeEncodeError):
            raise explain(exception, self._database.path) from exception


class _RehearsalScope:
    """`with database.rehearse() as tx`: what is written inside, by any code, is rolled back at the end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._scope = _WriteScope(database)

    def __enter__(self) -> WriteTransaction:
        tx = self._scope.__enter__()
        self._database.is_rehearsing = True
        return tx

    def __exit__(
        self, _kind: type[BaseException] | None, exception: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._database.is_rehearsing = False
        if self._database.connection.in_transaction:  # some errors have ended it
            self._database.connection.execute("ROLLBACK")
        if isinstance(exception, sqlite3.Error | UnicodeEncodeError):
            raise explain(exception, self._database.path) from exception


class Database:
    """One process's connection. Not shared between threads.

    `is_rehearsing`: what is written will be rolled back, so that nothing else may be done that could not.
    """

    def __init__(self, connection: sqlite3.Connection, layout: Layout, schema_lock: int) -> None:
        """`schema_lock` is the descriptor of the held lock, or -1 for a database that is only read."""
        self.connection = connection
        self.layout = layout
        self.path = layout.database
        self._schema_lock = schema_lock
        self.is_rehearsing = False

    def read(self) -> _ReadScope:
        return _ReadScope(self)

    def write(self, *, durable: bool = True) -> _WriteScope:
        """Begin to write. What need not be `durable` waits for no disk; a power cut may take it back.

        It comes whole or not at all, and never without all that was committed before it.
        """
        return _WriteScope(self, durable=durable)

    def rehearse(self) -> _RehearsalScope:
        return _RehearsalScope(self)

    @property
    def is_writable(self) -> bool:
        return self._schema_lock >= 0

    def check_writable(self) -> None:
        """Raise Unavailable where the store can only be read."""
        if not self.is_writable:
            raise _not_writable(self.layout)

    def close(self) -> None:
        self.connection.close()
        if self.is_writable:
            os.close(self._schema_lock)


def open_database(layout: Layout) -> Database:
    """Open the store's database, making or migrating it where needed.

    On return this process holds the shared schema lock until `close`. Raises
    Unsupported for a store of a newer Ligan, Busy where others keep a migration
    from running, Unavailable where the files cannot be used.
    """
    if not os.access(layout.root, os.W_OK):
        return _open_read_only(layout)
    with Explained(layout.root):
        reserve.release_to_read(layout.reserve)
        lock = os.open(layout.schema_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    connection = None
    try:
        connection = _connect(layout.database)
        version = schema_of(connection, layout)
        if version < SCHEMA_VERSION:
            from ligan.store import migrations

            reserve.release_if_full(layout.reserve)
            if version == 0:
                migrations.create(connection, layout)
            else:
                migrations.migrate_alone(connection, layout, lock)
    except BaseException as error:
        if connection is not None:
            connection.close()
        os.close(lock)
        if isinstance(error, sqlite3.Error | OSError):
            raise explain(error, layout.database) from error
        raise
    return Database(connection, layout, lock)


def _connect(target: str, *, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(target, timeout=BUSY_SECONDS, isolation_level=None, uri=uri)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


def _open_read_only(layout: Layout) -> Database:
    """Open a store on a file system, or as a user, that may only read."""
    if not os.path.exists(layout.database):
        raise _not_writable(layout)
    target = f"file:{_quoted(layout.database)}?mode=ro"
    try:
        return _connect_read_only(target, layout)
    except sqlite3.Error as error:
        # What lacks is the shared memory of a log: to make it needs writing. Without a log none is needed.
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise explain(error, layout.database) from error
        log = layout.database + "-wal"
        if os.path.exists(log) and os.path.getsize(log):
            raise Unavailable(
                f"cannot use {layout.database}: the last changes are in its log, which may only be read",
                "Run any command as the user who owns the store, where it can be written.",
            ) from error
    try:
        return _connect_read_only(target + "&immutable=1", layout)
    except sqlite3.Error as error:
        raise explain(error, layout.database) from error


def _connect_read_only(target: str, layout: Layout) -> Database:
    connection = _connect(target, uri=True)
    try:
        version = schema_of(connection, layout)
    except BaseException:
        connection.close()
        raise
    if version != SCHEMA_VERSION:
        connection.close()
        raise Unavailable(f"the store {layout.root} has to be migrated, and cannot be written")
    return Database(connection, layout, -1)


def _not_writable(layout: Layout) -> Unavailable:
    code = errno.EROFS if os.statvfs(layout.root).f_flag & os.ST_RDONLY else errno.EACCES
    return Unavailable(
        f"cannot write to the store {layout.root}: {os.strerror(code).lower()}",
        "Run as the user who owns it, or name another store with --root or LIGAN_ROOT.",
    )


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def schema_of(connection: sqlite3.Connection, layout: Layout) -> int:
    """Return the number of the database's schema, 0 for a new one. Raises Unsupported for a newer one."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise Unsupported(
            f"the store {layout.root} has schema {version}; this Ligan knows {SCHEMA_VERSION}",
            "Upgrade Ligan, or name another store with --root.",
        )
    return version


DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class Explained:
    """`with Explained(path)`: an error of the system inside comes out as one for people."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, exception: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if isinstance(exception, OSError):
            raise explain(exception, self._path) from exception


def explain(error: sqlite3.Error | OSError | UnicodeEncodeError, path: str) -> LiganError:
    """Turn an error of SQLite or the system into one for people; `path` is what was worked on."""
    if isinstance(error, UnicodeEncodeError):  # a word of a command line can be any bytes, rows are text
        return Invalid(f'"{error.object}" is not UTF-8')
    if isinstance(error, OSError):
        if isinstance(error.filename, str | bytes):  # not the number of an open file
            path = os.fsdecode(error.filename)
        if error.errno in DISK_FULL:
            return _no_space(path)
        return Unavailable(f"cannot use {path}: {(error.strerror or str(error)).lower()}", _CHECK_DISK)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy(f"another process has been writing to {path} for over {BUSY_SECONDS:.0f} seconds")
    if code == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorname", "") == "SQLITE_IOERR_SHMSIZE":
        return _no_space(path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Corrupt(
            f"the database {path} is damaged: {error}", "Restore it from a backup of the whole root."
        )
    if code == sqlite3.SQLITE_CANTOPEN and reserve.is_without_inodes(path):
        return _no_space(path)
    if code == sqlite3.SQLITE_READONLY:
        return Unavailable(f"cannot write to {path}: the store is read-only")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
        return Unavailable(f"cannot use {path}: {error}", _CHECK_DISK)
    return Corrupt(f"the database {path} refused an operation: {error}", "Run `ligan fsck`.")


def _no_space(path: str) -> NoSpace:
    return NoSpace(
        f"write {path}: no space left on device",
        "Free space on that disk, or in the store with `ligan reclaim --all` or `ligan rmi --now`.",
    )


_CHECK_DISK = "Look at the disk, and at who owns this path, then try again."
