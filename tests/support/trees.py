"""What a folder holds, to the byte, and what GNU tar makes of layers: the oracle of what mounts them."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ligan.layers.stack import Stack
    from ligan.layers.stack import Tree as Below

Tree = dict[str, tuple[Any, ...]]

_HIDDEN = ("trusted.overlay.", "security.selinux")


def described(folder: str) -> Tree:
    """Return all below a folder by path: kind, mode, owner, time, content, links and attributes of each.

    Of folders the number of links is left out: overlay gives none.
    """
    found: Tree = {}
    links: dict[tuple[int, int], list[str]] = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, folder)
            status = os.lstat(path)
            found[relative] = (
                oct(status.st_mode),
                status.st_uid,
                status.st_gid,
                status.st_mtime_ns,
                _content(path, status),
                _attributes(path),
            )
            if not stat.S_ISDIR(status.st_mode):
                links.setdefault((status.st_dev, status.st_ino), []).append(relative)
                found[relative] += (status.st_nlink,)
    for names in links.values():
        for name in names:
            found[name] += (tuple(sorted(names)),)
    return found


PLACES = (
    ".dockerenv",
    "dev",
    "dev/console",
    "dev/pts",
    "dev/shm",
    "etc",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "proc",
    "sys",
)
"""What dockerd 20.10.24 exports of a container of an empty image."""


def of_image(tree: Tree) -> Tree:
    """Leave out what every container has beside its image, and the time of the folder with these files."""
    found = {path: facts for path, facts in tree.items() if path not in PLACES}
    if "etc" in tree and any(path.startswith("etc/") for path in found):
        found["etc"] = (*tree["etc"][:3], *tree["etc"][4:])
    return found


def check_same(found: Tree, wanted: Tree) -> None:
    """Assert that two trees are the same; says what differs, and only that."""
    differing = {path for path in found.keys() | wanted if found.get(path) != wanted.get(path)}
    assert not differing, "\n".join(
        f"{path}:\n  found  {found.get(path)}\n  wanted {wanted.get(path)}" for path in sorted(differing)
    )


def _content(path: str, status: os.stat_result) -> Any:
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path)
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            return status.st_size, hashlib.file_digest(file, "sha256").hexdigest()
    return status.st_rdev if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode) else None


def _attributes(path: str) -> dict[str, bytes]:
    names = [name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith(_HIDDEN)]
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in sorted(names)}


def expected(layers: Sequence[bytes], folder: str) -> Tree:
    """Return what the layers show, the lowest first, by GNU tar and by what a whiteout means."""
    os.mkdir(folder)
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            members = {member.name: member.isdir() for member in archive}
        for name, is_folder in members.items():
            parent, _, base = name.rpartition("/")
            path = os.path.join(folder, name)
            if is_folder != (os.path.isdir(path) and not os.path.islink(path)):
                _remove(path)  # GNU tar would not
            if base == ".wh..wh..opq":
                for hidden in os.listdir(os.path.join(folder, parent)) if _is_there(folder, parent) else ():
                    _remove(os.path.join(folder, parent, hidden))
            elif base.startswith(".wh."):
                _remove(os.path.join(folder, parent, base[4:]))
        subprocess.run(
            [
                "tar",
                "-xp",
                "--numeric-owner",
                "--xattrs",
                "--xattrs-include=*",
                "--exclude=.wh.*",
                "-C",
                folder,
            ],
            input=layer,
            check=True,
            capture_output=True,
        )
    return described(folder)


def _is_there(folder: str, path: str) -> bool:
    return os.path.isdir(os.path.join(folder, path))


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


class LayerTar:
    """A layer tar in the making: PAX, times to the nanosecond."""

    def __init__(self, uid: int = 0, gid: int = 0) -> None:
        self._buffer = io.BytesIO()
        self._archive = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._time = 1_600_000_000
        self._owner = uid, gid

    def add(
        self,
        name: str,
        data: bytes = b"",
        *,
        kind: bytes = tarfile.REGTYPE,
        mode: int = 0o644,
        owner: tuple[int, int] | None = None,
        target: str = "",
        device: tuple[int, int] = (0, 0),
        attributes: Mapping[str, str] | None = None,
    ) -> LayerTar:
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.linkname = kind, mode, target
        info.uid, info.gid = owner or self._owner
        info.devmajor, info.devminor = device
        info.size = len(data)
        self._time += 1
        info.pax_headers = {"mtime": f"{self._time}.123456789"} | {
            f"SCHILY.xattr.{key}": value for key, value in (attributes or {}).items()
        }
        self._archive.addfile(info, io.BytesIO(data))
        return self

    def folder(self, name: str, mode: int = 0o755, **more: Any) -> LayerTar:
        return self.add(name, kind=tarfile.DIRTYPE, mode=mode, **more)

    def symlink(self, name: str, target: str) -> LayerTar:
        return self.add(name, kind=tarfile.SYMTYPE, mode=0o777, target=target)

    def link(self, name: str, target: str, mode: int = 0o644) -> LayerTar:
        """Name the last file once more. GNU tar takes nothing else from the header; Docker would."""
        self._time -= 1
        return self.add(name, kind=tarfile.LNKTYPE, target=target, mode=mode)

    def done(self) -> bytes:
        self._archive.close()
        return self._buffer.getvalue()


def outlines(root: str) -> Tree:
    """Return what a `Stack` tells of each path, of a folder: status, and the capability of a file.

    Overlay lists the whiteouts of a folder that one layer alone has, though nothing is there.
    """
    found: Tree = {}
    for parent, folders, files in os.walk(root):
        for path in [f"{parent}/{name}" for name in (*folders, *files)]:
            if not os.path.lexists(path):
                continue
            named = "security.capability" in os.listxattr(path, follow_symlinks=False)
            capability = os.getxattr(path, "security.capability", follow_symlinks=False) if named else b""
            found[path.removeprefix(root)] = *_outline(os.lstat(path)), capability
    return found


def outlines_of(stack: Stack | Below) -> Tree:
    """Return the same of all that a stack shows, down to so many folders: a damaged one may be in itself."""
    found: Tree = {}
    todo = [""]
    while todo:
        folder = todo.pop()
        for path in [f"{folder}/{name}" for name in stack.names(folder)]:
            node = stack.find(path)
            found[path] = *_outline(node.status), node.capability
            if stat.S_ISDIR(node.status.st_mode) and path.count("/") < _DEEPEST:
                todo.append(path)
    return found


_DEEPEST = 8


def _outline(status: os.stat_result) -> tuple[int, ...]:
    size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
    return status.st_mode, status.st_uid, status.st_gid, status.st_rdev, size, status.st_mtime_ns
