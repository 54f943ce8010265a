"""What is mounted below a store's root, and taking it away.

The truth is what the kernel shows of this mount namespace: nothing is written down that a crash, a restart
or another namespace would make a lie. Layers are mounted once each, at ROOT/mounts/<hex of the diff ID>, and
shared by the containers on them. Overlay clones the mounts it stands on, so that to unmount a layer too early
loses only the sharing.
"""

from __future__ import annotations

import errno
import fcntl
import os

from ligan.store.db import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import CDLL, c_ulong
    from typing import Self

    from ligan.store.db import Database, ReadTransaction
    from ligan.store.layout import Layout

# include/uapi/linux/fs.h: gone at once, whoever has it open; never through a link.
_MNT_DETACH, _UMOUNT_NOFOLLOW = 2, 8

_THREADS = 4
"""By how many at a time the kernel is to take apart what is not mounted any more."""

_MOST_HELD = 256
"""Of how many it is to do so aside: more would leave the other threads of a daemon without descriptors."""


class Lock:
    """`with Lock(path)`: no other process is in such a block with this file or folder.

    With `shared` others may be, who share it too. What is not there is not locked: nobody can use it.
    """

    def __init__(self, path: str, *, shared: bool = False) -> None:
        self._path = path
        self._mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._file = -1

    def __enter__(self) -> Self:
        try:
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return self
        fcntl.flock(self._file, self._mode)
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._file >= 0:
            os.close(self._file)


def mounting(layout: Layout, *, shared: bool = False) -> Lock:
    """Return the lock on the mounts of layers: exclusive to make or take away one, shared to use them."""
    return Lock(layout.layers, shared=shared)


def is_mounted(path: str) -> bool:
    """Return whether one of the store's file systems is mounted at the path, as this namespace sees it."""
    try:
        return os.lstat(path).st_dev != os.lstat(os.path.dirname(path)).st_dev
    except FileNotFoundError:
        return False


def mounted_in(folder: str) -> set[str]:
    """Return the paths right in a folder at which one of the store's file systems is mounted."""
    try:
        device, names = os.lstat(folder).st_dev, os.listdir(folder)
    except FileNotFoundError:
        return set()
    return {path for path in [f"{folder}/{name}" for name in names] if os.lstat(path).st_dev != device}


def mounted_below(path: str) -> list[str]:
    """Return what is mounted at the path or below it, the last mounted first."""
    with open("/proc/self/mountinfo", "rb") as table:
        points = [_unescaped(line.split(b" ", 5)[4]) for line in table]
    return [point for point in reversed(points) if point == path or point.startswith(f"{path}/")]


def peers_of(path: str) -> tuple[str, set[str]]:
    """Return where the file system is mounted that a path is in, and what that mount is to others.

    It is `shared` where they get what is mounted below it, and a `slave` where it gets what they have.
    """
    path = f"{os.path.realpath(path)}/"
    found, optional = "/", [b""]
    with open("/proc/self/mountinfo", "rb") as table:
        for line in table:
            fields = line.split(b" ")
            point = _unescaped(fields[4])
            if len(point) >= len(found) and path.startswith(f"{point.rstrip('/')}/"):
                found, optional = point, fields[6 : fields.index(b"-", 6)]
    names = {b"shared": "shared", b"master": "slave"}
    return found, {names.get(field.partition(b":")[0], "") for field in optional}


def _unescaped(field: bytes) -> str:
    """Return a path of mountinfo: blanks, newlines and backslashes are in octal there (proc(5))."""
    head, *parts = field.split(b"\\")
    return os.fsdecode(head + b"".join([bytes([int(part[:3], 8)]) + part[3:] for part in parts]))


def unmount(path: str) -> None:
    """On return nothing is mounted at the path, and what was there goes when its last user has closed it."""
    while is_mounted(path):
        detach(path)


def unmount_place(place: str) -> None:
    """On return nothing is mounted at a folder of mount points, and so in none of them.

    The kernel takes a file system apart in the thread that lets go of it last. It needs a third of a
    millisecond for each, and sleeps for the most of it: threads see to that, and the caller goes on.
    """
    from _thread import start_new_thread

    held: list[int] = []
    try:
        points = list(mounted_in(place))[:_MOST_HELD]
        held.extend(os.open(point, os.O_PATH | os.O_CLOEXEC) for point in points)
    except OSError:
        pass  # too many files are open: the kernel takes the others apart before it returns
    try:
        unmount(place)
    finally:
        try:
            for _ in range(min(_THREADS, len(held))):
                start_new_thread(_let_go, (held,))
        except RuntimeError:  # there can be no more threads
            _let_go(held)


def _let_go(held: list[int]) -> None:
    while held:
        try:
            file = held.pop()
        except IndexError:  # another thread was faster
            return
        os.close(file)


def unmount_below(path: str) -> None:
    """On return nothing is mounted at the path or below it."""
    while points := mounted_below(path):
        for point in points:
            detach(point)


def detach(path: str) -> None:
    """Take the uppermost mount at a path away, if there is one."""
    code = call_libc("umount2", os.fsencode(path), _MNT_DETACH | _UMOUNT_NOFOLLOW)
    if code not in (0, errno.EINVAL, errno.ENOENT):  # else another process was faster
        raise explain(OSError(code, os.strerror(code), path), path)


_libc: CDLL | None = None


def call_libc(function: str, *arguments: bytes | int | c_ulong) -> int:
    """Return 0, or the errno of a call that failed."""
    global _libc  # to load it takes a third of the time of a mount
    import ctypes

    if _libc is None:
        _libc = ctypes.CDLL(None, use_errno=True)
    return ctypes.get_errno() if getattr(_libc, function)(*arguments) else 0


def unused_mounts(tx: ReadTransaction, layout: Layout) -> list[str]:
    """Return the diff IDs of layers that are mounted, or were to be, and that no container in use needs."""
    if not is_mounted(layout.mounts):
        return []
    used = _used_layers(tx, layout)
    return [
        diff_id for diff_id in [f"sha256:{name}" for name in os.listdir(layout.mounts)] if diff_id not in used
    ]


def _used_layers(tx: ReadTransaction, layout: Layout) -> set[str]:
    """Return the diff IDs of all layers of the containers whose root file system is mounted."""
    tops = {
        layer
        for container, layer in tx.all("SELECT id, layer FROM container WHERE layer IS NOT NULL")
        if is_mounted(layout.merged(container))
    }
    if not tops:
        return set()
    return set(
        tx.column(
            """WITH RECURSIVE below (key) AS (
                   SELECT value FROM json_each(?)
                   UNION SELECT layer.parent FROM layer JOIN below USING (key) WHERE parent IS NOT NULL)
               SELECT diff_id FROM layer JOIN below USING (key)""",
            (f"[{','.join(map(str, tops))}]",),
        )
    )


def drop_unused_mounts(database: Database, layout: Layout) -> None:
    """On return no layer is mounted that no container in use needs."""
    if not is_mounted(layout.mounts):
        return
    with database.read() as tx:
        if not unused_mounts(tx, layout) and os.listdir(layout.mounts):
            return
    # A container that is being mounted holds the lock until it can be seen.
    with mounting(layout), database.read() as tx:
        unused = unused_mounts(tx, layout)
        if len(unused) == len(os.listdir(layout.mounts)):
            unmount_place(layout.mounts)
            return
        for diff_id in unused:
            unmount(layout.mount_point(diff_id))
            os.rmdir(layout.mount_point(diff_id))
