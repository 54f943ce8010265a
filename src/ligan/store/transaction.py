"""What is asked of a database within a transaction, and told it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ligan.store.sqlite import sqlite


class ReadTransaction:
    """A consistent view of a database."""

    def __init__(self, connection: sqlite.Connection) -> None:
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
