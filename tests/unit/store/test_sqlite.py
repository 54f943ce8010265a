from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from ligan.store.sqlite import sqlite
assert "functools" not in sys.modules, "the stand-in stayed"
connection = sqlite.connect(":memory:", cached_statements=5)
for _ in range(2):
    for number in range(20):  # more than the cache holds
        assert connection.execute(f"SELECT {number}").fetchone() == (number,)
connection.close()
import functools
assert functools.wraps
import sqlite3
assert sqlite3.connect(":memory:").execute("SELECT 1").fetchone() == (1,)
"""


def test_functools_is_spared_until_somebody_wants_it() -> None:
    subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {PROGRAM}"], check=True
    )
