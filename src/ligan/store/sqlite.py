"""SQLite without what it costs to start: `from ligan.store.sqlite import sqlite`.

Of the package `sqlite3` only the half in C is taken: the other adds adapters for times, and 2 ms. That half
asks `functools` for one decorator, which is C as well; the module around it brings `collections`, and 2 ms
more. So the decorator is handed to it alone (docs/decisions/0002-start-up.md).
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["sqlite"]


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
