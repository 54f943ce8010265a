"""A reserve of disk space, so that a full disk can be emptied.

SQLite needs 32 KiB of shared memory on that disk even to read, else it fails
or, on ext4, dies of SIGBUS; and a delete needs pages in the log before it can
free anything. So the store keeps a file that holds nothing, and gives it up
when the disk is full (docs/decisions/0005-full-disk.md): to read a little of it,
so that looking costs nobody the chance to delete, and all of it to write.
"""

from __future__ import annotations

import os

RESERVE_BYTES = 4 << 20
"""The log pages of a delete of hundreds of images, or of one with an index for each of its rows."""

_READING_BYTES = 256 << 10
"""More than the shared memory of a log, even of one that a killed process left."""


def keep(path: str) -> None:
    """Have the reserve on the disk, unless the disk is too full for it."""
    try:
        if os.stat(path).st_size >= RESERVE_BYTES:
            return
    except FileNotFoundError:
        pass
    if _free_bytes(path) < 2 * RESERVE_BYTES:
        return
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(file, 0, RESERVE_BYTES)
    except OSError:
        _remove(path)  # another process was faster to fill the disk
    finally:
        os.close(file)


def release_to_read(path: str) -> None:
    """Give up a part of the reserve where the disk has less than reading needs."""
    if _free_bytes(path) < _READING_BYTES:
        try:
            os.truncate(path, max(0, os.stat(path).st_size - _READING_BYTES))
        except FileNotFoundError:
            pass


def release_if_full(path: str) -> None:
    """Give the reserve up where the disk has less than that left."""
    if _free_bytes(path) < RESERVE_BYTES:
        _remove(path)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # another process needed it as well


def _free_bytes(path: str) -> int:
    status = os.statvfs(os.path.dirname(path))
    return status.f_bavail * status.f_frsize
