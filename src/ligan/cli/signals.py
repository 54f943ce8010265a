"""Signals that end this process."""

from __future__ import annotations

import sys


def end_in_order() -> None:
    """Have a signal that ends this process raise SystemExit: what is under way by then is let go of."""
    import signal

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _frame: sys.exit(128 + number))
