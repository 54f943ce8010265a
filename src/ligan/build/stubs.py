"""Mount points that a runtime makes in a root file system: they are no part of a step's layer."""

from __future__ import annotations

import os
import stat

from ligan.layers import beneath
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ALWAYS = ("/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""Where every container has something mounted."""


class _Parent(Value):
    """A folder in which a mount point is made: its mode, owner and times before."""

    path: str
    mode: int
    uid: int
    gid: int
    mtime: int


class Stubs:
    """The mount points that `root` lacks. Paths below are without a slash at the start, and without links."""

    def __init__(self, root: str, targets: Iterable[str]) -> None:
        self._missing: list[str] = []
        self._parents: dict[str, _Parent] = {}
        folder = beneath.open_root(root)
        try:
            for target in targets:
                self._look(folder, target)
        finally:
            os.close(folder)

    def _look(self, root: int, target: str) -> None:
        path = ""
        for part in [part for part in target.split("/") if part]:
            below = beneath.resolve(root, f"{path}/{part}" if path else part)
            try:
                os.stat(below or ".", dir_fd=root, follow_symlinks=False)
            except OSError:
                self._miss(root, below)
            path = below

    def _miss(self, root: int, path: str) -> None:
        """Note that nothing is at a path, which has no links, and how the folder above it is."""
        above = _parent(path)
        if above not in self._missing:
            found = os.stat(above or ".", dir_fd=root, follow_symlinks=False)
            self._parents[above] = _Parent(
                above, found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns
            )
        if path not in self._missing:
            self._missing.append(path)

    def remove(self, root: str, *, is_upper: bool) -> None:
        """Take away those that are still empty, and what else tells of them.

        `root` is the root file system, or with `is_upper` what is changed in it: there a folder is let go
        that has nothing in it and differs in nothing but its time.
        """
        folder = beneath.open_root(root)
        try:
            gone = {_parent(path) for path in reversed(self._missing) if _remove_empty(folder, path)}
            for path in sorted(gone, reverse=True):
                if path in self._parents:
                    _settle(folder, self._parents[path], is_upper=is_upper)
        finally:
            os.close(folder)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _remove_empty(root: int, path: str) -> bool:
    try:
        parent = beneath.open_folder(root, _parent(path))
    except OSError:
        return False  # the step has put something else there
    name = path.rpartition("/")[2]
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            os.rmdir(name, dir_fd=parent)
        elif stat.S_ISREG(found.st_mode) and not found.st_size:
            os.unlink(name, dir_fd=parent)
        else:
            return False
    except OSError:
        return False  # it is gone, or holds something
    finally:
        os.close(parent)
    return True


def _settle(root: int, parent: _Parent, *, is_upper: bool) -> None:
    """Give a folder its time back, or take it out of what was changed."""
    try:
        folder = beneath.open_folder(root, parent.path)
    except OSError:
        return
    try:
        found = os.fstat(folder)
        is_same = (found.st_mode, found.st_uid, found.st_gid) == (parent.mode, parent.uid, parent.gid)
        if os.listdir(folder) or not is_same:
            return
        os.utime(folder, ns=(parent.mtime, parent.mtime))
    finally:
        os.close(folder)
    if is_upper and parent.path:
        _remove_empty(root, parent.path)
