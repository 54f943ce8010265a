"""Sizes, durations and times in docker's words."""

from __future__ import annotations

import time

from ligan.oci.gosize import human_size as human_size

SECOND = 1_000_000_000
_LONGEST = (2**63 - 1) / SECOND  # a Go duration ends after 292 years


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
