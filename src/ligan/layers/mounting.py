"""Mounting layers and stacks of layers, by mount(2).

Nothing is handed to the kernel that it could take apart differently: a path that an option string cannot
hold goes as the number of an open descriptor.
"""

from __future__ import annotations

import os

from ligan.errors import Unavailable
from ligan.layers.namespaces import in_user_namespace
from ligan.store.mounts import call_libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_PAGE = 4096
"""What mount(2) takes of options, with the NUL at their end."""

# Docker's overlay2 sets these too, where the kernel's defaults differ: what a container writes must mean the
# same on every host, and layers are shared by mounts that know nothing of each other.
_OVERLAY_OPTIONS = "index=off,redirect_dir=off,metacopy=off"
_USER_OPTIONS = "index=off,userxattr"
"""The same in a user namespace, where the kernel allows no others."""


class CannotMount(Unavailable):
    """The kernel refuses a mount."""

    def __init__(self, what: str, target: str, code: int) -> None:
        super().__init__(f"cannot mount {what} at {target}: {os.strerror(code).lower()}", _HINT)
        self.errno = code


_HINT = "The kernel's log says why: dmesg. Another way to keep layers is chosen with LIGAN_STORAGE_DRIVER."


def mount_erofs(index: str, tar: str, target: str) -> None:
    """Mount a layer read-only: the index tells of the files, whose bytes are those of the tar.

    Raises CannotMount, its `errno` ENOTBLK where the kernel mounts no files (before 6.12, or on a file system
    such as tmpfs).
    """
    with _Names([tar]) as names:
        _mount(index, target, "erofs", _MS_RDONLY, f"device={names[0]}")


def mount_overlay(
    lowers: Sequence[str], target: str, *, upper: str = "", work: str = "", volatile: bool = False
) -> None:
    """Mount a stack of folders, the uppermost first, read-only unless there is an upper one.

    A `volatile` one is never synced, by itself or when it is unmounted: nobody may need what is written
    there after a power cut. Raises CannotMount. The mounts in `lowers` are cloned: to unmount them afterwards
    changes nothing here.
    """
    with _Names([*lowers, upper, work] if upper else lowers) as names:
        stack = ":".join(names[: len(lowers)])
        options = f"{_USER_OPTIONS if in_user_namespace() else _OVERLAY_OPTIONS},lowerdir={stack}"
        if upper:
            options += f",upperdir={names[-2]},workdir={names[-1]}"
            _forget_volatile(work)
            if volatile and _knows_volatile():
                options += ",volatile"
        _mount("overlay", target, "overlay", 0 if upper else _MS_RDONLY, options)


def _knows_volatile() -> bool:
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor.partition("-")[0])) >= (5, 10)


def _forget_volatile(work: str) -> None:
    """Remove the mark by which the kernel refuses a second mount of what was volatile."""
    mark = f"{work}/work/incompat"
    if os.path.exists(mark):
        from ligan.store.trees import remove_tree

        remove_tree(mark)


def mount_place(target: str) -> None:
    """Mount an empty folder for mount points, which only its owner may enter. Raises CannotMount."""
    _mount("ligan", target, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "mode=700,size=1m")


def mount_shared_memory(target: str, *, size: int) -> None:
    """Mount a file system in memory that all may write to, of so many bytes at most. Raises CannotMount."""
    _mount("shm", target, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, f"mode=1777,size={size}")


class _Names:
    """`with _Names(paths) as names`: names for an option string that fit and mean just these paths.

    They are the paths themselves, as mountinfo is to show them, or links to open descriptors.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._open: list[int] = []

    def __enter__(self) -> Sequence[str]:
        if not any(char in path for path in self._paths for char in ",:\\"):
            room = _PAGE - len(_OVERLAY_OPTIONS) - len(",lowerdir=,upperdir=,workdir=,volatile") - 1
            if len(os.fsencode(":".join(self._paths))) < room:
                return self._paths
        try:
            for path in self._paths:
                self._open.append(os.open(path, os.O_PATH | os.O_CLOEXEC))
        except OSError:
            self.__exit__()
            raise
        return [f"/proc/self/fd/{file}" for file in self._open]

    def __exit__(self, *_exception: object) -> None:
        for file in self._open:
            os.close(file)


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    from ctypes import c_ulong

    names = [os.fsencode(text) for text in (source, target, kind)]
    code = call_libc("mount", *names, c_ulong(flags), os.fsencode(options))
    if code:
        raise CannotMount(kind, target, code)
