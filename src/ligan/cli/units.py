"""Sizes, durations and times in docker's words."""

from __future__ import annotations

import time

from ligan.oci.gosize import human_duration as human_duration
from ligan.oci.gosize import human_size as human_size

SECOND = 1_000_000_000


def format_created_at(seconds: int) -> str:
    """Return seconds since the epoch as `2006-01-02 15:04:05 -0700 MST`, in the local zone."""
    local = time.localtime(seconds)
    return f"{local.tm_year:04d}-{time.strftime('%m-%d %H:%M:%S %z %Z', local)}"
