"""What lies between an image and what a container changes: places for what every container has mounted.

Docker calls it the init layer. It shows in an export, and in no diff or commit. What an image has under these
names is hidden, but for folders. Source: engine 20.10, daemon/initlayer/setup_unix.go.

One folder serves all containers whose images agree in the mode and owner of the folders at the top: overlay
shows those of the uppermost layer, so they have to be the image's.
"""

from __future__ import annotations

import os
import stat

from ligan.layers.stack import FolderNode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.layers.stack import Node
    from ligan.store.store import Store

_AT_THE_TOP = ("dev", "etc", "proc", "sys")
_FOLDERS = (*_AT_THE_TOP, "dev/pts", "dev/shm")
_FILES = (".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf")
_LINKS = {"etc/mtab": "/proc/mounts"}


def placeholders(store: Store, lowers: Sequence[Node]) -> str:
    """Return a folder with the places, to be put on layers with these roots, the uppermost first."""
    found = _at_the_top(lowers)
    path = store.layout.placeholders("-".join([f"{mode:o}.{uid}.{gid}" for mode, uid, gid in found]))
    if not os.path.exists(path):
        _make(store, path, found)
    return path


def _at_the_top(lowers: Sequence[Node]) -> list[tuple[int, int, int]]:
    """Return mode and owner of the folders at the top; what else has a name, or hides it, is replaced."""
    found: dict[str, os.stat_result] = {}
    for lower in lowers:
        if len(found) == len(_AT_THE_TOP):
            break
        for name in set(_AT_THE_TOP).intersection(lower.names()).difference(found):
            node = lower.find(name)
            if node is not None:
                found[name] = node.status
    statuses = [found.get(name) for name in _AT_THE_TOP]
    return [
        (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        if status and stat.S_ISDIR(status.st_mode)
        else (0o755, 0, 0)
        for status in statuses
    ]


def _make(store: Store, path: str, found: Sequence[tuple[int, int, int]]) -> None:
    with store.lease() as lease:
        new = lease.folder()
        os.chmod(new, 0o755)  # noqa: S103 - as Docker's
        for name in _FOLDERS:
            _make_folder(f"{new}/{name}")
        for name in _FILES:
            _make_file(f"{new}/{name}")
        for name, target in _LINKS.items():
            os.symlink(target, f"{new}/{name}")
        for name, (mode, uid, gid) in zip(_AT_THE_TOP, found, strict=True):
            if uid or gid:
                os.chown(f"{new}/{name}", uid, gid)
            os.chmod(f"{new}/{name}", mode)
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        try:
            os.rename(new, path)
        except OSError:
            if not os.path.exists(path):  # somebody else was first
                raise


def put_into(store: Store, root: str) -> None:
    """Make the places in a tree that is ours alone. Their times are the same in every tree."""
    source = placeholders(store, [FolderNode(root)])
    for name in _FOLDERS:
        path = f"{root}/{name}"
        if not os.path.isdir(path) or os.path.islink(path):
            _remove(path)
            _make_folder(path)
    for name in (*_FILES, *_LINKS):
        path = f"{root}/{name}"
        if os.path.isdir(path) and not os.path.islink(path):
            continue
        _remove(path)
        if name in _LINKS:
            os.symlink(_LINKS[name], path)
        else:
            _make_file(path)
    for name in (*_FILES, *_LINKS, *_FOLDERS[::-1]):
        status = os.lstat(f"{source}/{name}")
        os.utime(f"{root}/{name}", ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _make_folder(path: str) -> None:
    os.mkdir(path)
    os.chmod(path, 0o755)  # noqa: S103 - as Docker's, whatever the umask


def _make_file(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
    os.chmod(path, 0o755)  # noqa: S103 - as Docker's, whatever the umask
