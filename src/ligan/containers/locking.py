"""Locks of a container: flocked files of its folder, which the kernel frees when their holder dies.

`lock` is held for one change of state. `watch` is held by the process that sees to it that the run's end
is written down, or that waits for the restart. `attaching` is shared by those who will attach; the start
that waits for them takes it for itself (docs/decisions/0006-containers.md).
"""

from __future__ import annotations

import fcntl
import os
import time

from ligan.containers.rows import NoSuchContainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ligan.store.layout import Layout

_TURN_SECONDS = 0.002


class Locked:
    """`with Locked(layout, container_id)`: nobody else changes the state of the container.

    What was read of it before may be outdated inside. Raises NoSuchContainer where its folder is gone.
    """

    def __init__(self, layout: Layout, container_id: str) -> None:
        self._layout = layout
        self._id = container_id
        self._file = -1

    def __enter__(self) -> None:
        self._file = _open(self._layout, self._id, "lock")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _exception: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        os.close(self._file)


def is_locked(layout: Layout, container_id: str) -> bool:
    """Return whether somebody changes the state of the container now."""
    return _is_taken(layout, container_id, "lock")


class Task:
    """What one process at a time does for a container. Where another does it, nothing is held."""

    _name: str

    def __init__(self, layout: Layout, container_id: str) -> None:
        """Take it, unless another process has it. Raises NoSuchContainer."""
        self._file = _open(layout, container_id, self._name)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()

    @property
    def is_held(self) -> bool:
        return self._file >= 0

    def handed_over(self) -> Self:
        """Return the same in another object; this one holds nothing any more."""
        other = object.__new__(type(self))
        other._file, self._file = self._file, -1
        return other

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _exception: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


class Watch(Task):
    """Seeing to the end of a run: conmon's exit command waits, and finds the end written down then."""

    _name = "watch"


class Checks(Task):
    """Checking a container's health."""

    _name = "health"


class Stilling(Task):
    """Keeping a container paused while its files are read.

    A mark in the file tells of it: where nobody holds it any more, the container is to be let go on.
    """

    _name = "stilling"

    def mark(self) -> None:
        os.write(self._file, b"paused")

    def unmark(self) -> None:
        os.ftruncate(self._file, 0)


def is_left_stilled(layout: Layout, container_id: str) -> bool:
    """Return whether somebody has paused the container to read its files, and was killed before the end."""
    try:
        marked = os.path.getsize(f"{layout.container(container_id)}/{Stilling._name}") > 0
    except FileNotFoundError:
        return False
    return marked and not _is_taken(layout, container_id, Stilling._name)


def is_watched(layout: Layout, container_id: str) -> bool:
    return _is_taken(layout, container_id, "watch")


def is_checked(layout: Layout, container_id: str) -> bool:
    return _is_taken(layout, container_id, "health")


class Attaching:
    """Keeps a container's start waiting until it is closed."""

    def __init__(self, layout: Layout, container_id: str) -> None:
        self._file = _open(layout, container_id, "attaching")
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    __del__ = close  # a client may be gone before it gets what was made for it


def await_attaching(layout: Layout, container_id: str, seconds: float) -> None:
    """Return when everybody who wants to attach has, or when so many seconds have passed.

    A limit, since an attaching process may be stopped, and must not stop the container with it.
    """
    file = _open(layout, container_id, "attaching")
    try:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return
                time.sleep(_TURN_SECONDS)
            else:
                return
    finally:
        os.close(file)


def _is_taken(layout: Layout, container_id: str, name: str) -> bool:
    try:
        file = _open(layout, container_id, name)
    except NoSuchContainer:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _open(layout: Layout, container_id: str, name: str) -> int:
    try:
        return os.open(
            f"{layout.container(container_id)}/{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
    except FileNotFoundError:
        raise NoSuchContainer(container_id) from None
