"""SQLite without what it costs to start, `from ligan.store.sqlite import sqlite`, and its transactions.

Of the package `sqlite3` only the half in C is taken: the other adds adapters for times, and 2 ms. That half
asks `functools` for one decorator, which is C as well; the module around it brings `collections`, and 2 ms
more. So the decorator is handed to it alone (docs/decisions/0002-start-up.md).
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

__all__ = ["ReadTransaction", "WriteTransaction", "sqlite"]


def _lru_cache(size: int) -> Callable[[Callable[..., object]], object]:
    """`functools.lru_cache`, as far as a cache of statements needs it."""
    from _functools import _lru_cache_wrapper  # type: ignore[import-not-found]

    return lambda function: _lru_cache_wrapper(function, size, False, tuple)


if "functools" in sys.modules:
    import _sqlite3 as sqlite
else:
    _stand_in = type(sys)("functools")
    _stand_in.lru_cache = _lru_cache  # type: ignore[attr-defined]
    sys.modules["functools"] = _stand_in
    try:
        import _sqlite3 as sqlite
    finally:
        del sys.modules["functools"]  # whoever wants it gets the real one


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
