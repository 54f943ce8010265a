"""Locks on steps and on rows of the build cache: single bytes of one file, which the kernel frees.

A step that two builds want is made by the one that has it to itself; the other then finds it. What a build
uses it shares until its end, and a prune leaves alone what it cannot have to itself.
"""

from __future__ import annotations

import fcntl
import os
import struct
from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from ligan.store.layout import Layout

_STEPS = 1 << 62
"""Where the bytes of steps begin; below are those of rows, by their key."""

_FLOCK = "hhqqi4x"
"""The kernel's struct flock: kind, whence, start, length, and a process, which open files have none of."""


class Locks:
    """What one build, or one prune, has locked. All is let go at the end of `with`. For any thread.

    Rows are locked by one open file, however many they are.
    """

    def __init__(self, layout: Layout) -> None:
        self._path = layout.builds
        self._file = -1
        self._opening = allocate_lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def step(self, digest: str) -> StepLock:
        """Return `with` what nobody else makes this step."""
        return StepLock(self._path, _STEPS | int(digest[-15:], 16))

    def use(self, row: int) -> None:
        """Keep a row of the cache from being pruned."""
        _lock(self._opened(), row, fcntl.F_RDLCK, fcntl.F_OFD_SETLKW)

    def take(self, row: int) -> bool:
        """Return whether nobody else uses the row; then nobody will until the end of this."""
        try:
            _lock(self._opened(), row, fcntl.F_WRLCK, fcntl.F_OFD_SETLK)
        except BlockingIOError:
            return False
        return True

    def is_used(self, row: int) -> bool:
        """Return whether somebody else uses the row, without being in anybody's way."""
        return _lock(self._opened(), row, fcntl.F_WRLCK, fcntl.F_OFD_GETLK) != fcntl.F_UNLCK

    def _opened(self) -> int:
        with self._opening:
            if self._file < 0:
                self._file = _open(self._path)
            return self._file


class StepLock:
    """`with` it, this build alone makes a step, whichever process or thread it is in."""

    def __init__(self, path: str, place: int) -> None:
        self._path = path
        self._place = place

    def __enter__(self) -> None:
        self._file = _open(self._path)
        try:
            _lock(self._file, self._place, fcntl.F_WRLCK, fcntl.F_OFD_SETLKW)
        except BaseException:
            os.close(self._file)
            raise

    def __exit__(self, *_exception: object) -> None:
        os.close(self._file)


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(file: int, place: int, kind: int, command: int) -> int:
    """Lock one byte, or ask for what keeps it from being locked: returns the kind of lock that it tells of.

    Locks of open files, not of processes: threads exclude each other too.
    """
    told = fcntl.fcntl(file, command, struct.pack(_FLOCK, kind, os.SEEK_SET, place, 1, 0))
    return int(struct.unpack(_FLOCK, told)[0])
