"""A reserve of disk space, so that a full disk can be emptied.

SQLite needs 32 KiB of shared memory on that disk even to read, else it fails
or, on ext4, dies of SIGBUS; and a delete needs pages in the log before it can
free anything. Both need a file, thus an inode, of which a disk can have none
left as well. So the store keeps files that hold nothing, and gives them up
when the disk is full (docs/decisions/0005-full-disk.md): to read a few of
them, so that looking costs nobody the chance to delete, and all to write.
"""

from __future__ import annotations

import os

RESERVE_BYTES = 4 << 20
"""The log pages of a delete of hundreds of images, or of one with an index for each of its rows."""

_READING_BYTES = 256 << 10
"""More than the shared memory of a log, even of one that a killed process left."""

SPARE_FILES = 8
"""Empty files beside the reserve: an inode each."""

_READING_FILES = 2
"""The log, and its shared memory."""


def keep(path: str) -> None:
    """Have the reserve on the disk, unless the disk is too full for it."""
    status = _status(path)
    if not os.path.exists(_spare(path, SPARE_FILES)) and status.f_favail >= 2 * SPARE_FILES:
        for number in range(1, SPARE_FILES + 1):
            os.close(os.open(_spare(path, number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        if os.stat(path).st_size >= RESERVE_BYTES:
            return
    except FileNotFoundError:
        pass
    if status.f_bavail * status.f_frsize < 2 * RESERVE_BYTES:
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
    status = _status(path)
    if status.f_bavail * status.f_frsize < _READING_BYTES:
        try:
            os.truncate(path, max(0, os.stat(path).st_size - _READING_BYTES))
        except FileNotFoundError:
            pass
    if _lacks_inodes(status, _READING_FILES):
        _remove_spares(path, _READING_FILES)


def release_if_full(path: str) -> None:
    """Give the reserve up where the disk has less than that left."""
    status = _status(path)
    if status.f_bavail * status.f_frsize < RESERVE_BYTES:
        _remove(path)
    if _lacks_inodes(status, SPARE_FILES):
        _remove_spares(path, SPARE_FILES)


def is_without_inodes(path: str) -> bool:
    """Return whether the disk of this file has no inode for another one."""
    try:
        return _lacks_inodes(_status(path), 1)
    except OSError:
        return False  # there is not even a folder


def _status(path: str) -> os.statvfs_result:
    return os.statvfs(os.path.dirname(path))


def _lacks_inodes(status: os.statvfs_result, wanted: int) -> bool:
    return status.f_files > 0 and status.f_favail < wanted  # some file systems do not count them


def _spare(path: str, number: int) -> str:
    return f"{path}-{number}"


def _remove_spares(path: str, count: int) -> None:
    """Remove so many, the last first: where that one is, all are."""
    for number in range(SPARE_FILES, 0, -1):
        if count and _remove(_spare(path, number)):
            count -= 1


def _remove(path: str) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False  # another process needed it as well
    return True
