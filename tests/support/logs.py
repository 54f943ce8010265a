"""Logs of containers, as conmon writes them."""

from __future__ import annotations

import os
import time

from tests.support.waiting import until

_STILL_SECONDS = 0.1


def await_standstill(log: str, lines: int) -> None:
    """Return when a log has more lines than these, and nobody writes more: who reads the output holds it up.

    Of a writer that was only slow for a moment the same is believed; the lines are there all the same.
    """

    def is_still() -> bool:
        size = os.path.getsize(log)
        time.sleep(_STILL_SECONDS)
        if os.path.getsize(log) != size:
            return False
        with open(log, "rb") as file:
            return file.read().count(b"\n") > lines

    until(is_still, lambda: f"{log} has {os.path.getsize(log)} bytes")
