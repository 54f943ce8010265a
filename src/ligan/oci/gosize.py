"""Sizes, durations and progress bars as Docker writes them (go-units; docker's package jsonmessage)."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_BAR = 50
_WIDTH_FOR_BAR = 110
"""On narrower terminals docker shows the numbers only."""
_WIDE = 200
"""What docker's daemon, which has no terminal, takes for its width."""


def human_size(size: float, digits: int = 4) -> str:
    """Return a size in bytes with so many significant digits, in powers of 1000.

    Listings of images have three digits, everything else four. A size that
    rounds up to the next unit stays in its own: 999,999 bytes are `1e+03kB`.
    """
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.{digits}g}{_UNITS[unit]}"


def binary_size(size: float) -> str:
    """Return a size in bytes with four significant digits, in powers of 1024."""
    unit = 0
    while size >= 1024 and unit < len(_BINARY_UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.4g}{_BINARY_UNITS[unit]}"


def bar(current: int, total: int, width: int = _WIDE) -> str:
    """Return the bar and its numbers, for a terminal of so many columns."""
    if current <= 0 and total <= 0:
        return ""
    if total <= 0:
        return f"{human_size(current):>8}"
    filled = min(current * 100 // total // 2, _BAR)
    box = f"[{'=' * filled}>{' ' * (_BAR - filled)}] " if width > _WIDTH_FOR_BAR else ""
    # A total that proved too small is not shown.
    numbers = (
        f"{human_size(current):>8}" if current > total else f"{human_size(current):>8}/{human_size(total)}"
    )
    return box + numbers


_LONGEST = (2**63 - 1) / 10**9  # a Go duration ends after 292 years


def human_duration(seconds: float) -> str:
    """Return how long that is in one unit, rounded down; hours are rounded to the nearest."""
    seconds = min(seconds, _LONGEST)
    if seconds < 2:
        return "1 second" if seconds >= 1 else "Less than a second"
    if seconds < 60:
        return f"{int(seconds)} seconds"
    minutes = int(seconds / 60)
    if minutes < 60:
        return f"{minutes} minutes" if minutes > 1 else "About a minute"
    hours = int(seconds / 3600 + 0.5)
    if hours < 48:
        return f"{hours} hours" if hours > 1 else "About an hour"
    if hours < 24 * 14:
        return f"{hours // 24} days"
    if hours < 24 * 60:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{int(seconds / 3600) // 24 // 365} years"
