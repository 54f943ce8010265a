"""A reserve of disk space, so that a full disk can be emptied.

SQLite needs 32 KiB of shared memory on that disk even to read, else it fails
or, on ext4, dies of SIGBUS; and a delete needs pages in the log before it can
free anything. So the store keeps a file that holds nothing, and gives it up
when the disk is full (docs/decisions/0005-full-disk.md).
"""

from __future__ import annotations

import os

RESERVE_BYTES = 4 << 20
"""The log pages of a delete of hundreds of images, or of one with an index for each of its rows."""


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
        os.unlink(path)  # another process was faster to fill the disk
    finally:
        os.close(file)


def release_if_full(path: str) -> None:
    """Give the reserve up where the disk has less than that left."""
    if _free_bytes(path) < RESERVE_BYTES:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass


def _free_bytes(path: str) -> int:
    status = os.statvfs(os.path.dirname(path))
    return status.f_bavail * status.f_frsize
