"""Sizes, durations and times in docker's words."""

from __future__ import annotations

import time

SECOND = 1_000_000_000
_LONGEST = (2**63 - 1) / SECOND  # a Go duration ends after 292 years
_SIZE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")


def human_size(size: float, digits: int = 4) -> str:
    """Return a size in bytes with so many significant digits, in powers of 1000.

    Listings of images have three digits, everything else four. A size that
    rounds up to the next unit stays in its own: 999,999 bytes are `1e+03kB`.
    """
    unit = 0
    while size >= 1000 and unit < len(_SIZE_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.{digits}g}{_SIZE_UNITS[unit]}"


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


def format_created_at(seconds: int) -> str:
    """Return seconds since the epoch as `2006-01-02 15:04:05 -0700 MST`, in the local zone."""
    local = time.localtime(seconds)
    return f"{local.tm_year:04d}-{time.strftime('%m-%d %H:%M:%S %z %Z', local)}"
