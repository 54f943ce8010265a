"""What a layer would be once unpacked, without unpacking it.

Docker finds a bad layer, and the size of a good one, by unpacking the tar into
an empty folder that it has made its root. `scan_layer` plays that unpacking on
a tree of names in memory: the same layers are refused in the same words, and
the same bytes are counted. Every rule was observed on dockerd 20.10.24 with
overlay2; the tests hold its answers.
"""

from __future__ import annotations

import os
from os.path import normpath

from ligan.errors import Corrupt
from ligan.layers.tar import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Member,
    members,
)
from ligan.values import Value

TYPE_CHECKING = False

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"

_MKNOD = (CHARACTER_DEVICE, BLOCK_DEVICE, FIFO)

_NO_ENTRY = "no such file or directory"
_NOT_DIRECTORY = "not a directory"
_EXISTS = "file exists"
_NOT_PERMITTED = "operation not permitted"
_TOO_LONG = "file name too long"
_LOOP = "too many levels of symbolic links"

# Linux: NAME_MAX, PATH_MAX less its NUL, MAXSYMLINKS.
_NAME_MAX, _PATH_MAX, _LINKS_MAX = 255, 4095, 40


class LayerScan(Value):
    """What a scan of a layer found.

    `diff_size` is Docker's size of the layer: the sizes of its files and the
    lengths of its symbolic links, each inode once. Directories, devices, FIFOs
    and whiteouts count nothing, nor does a file that a later entry replaced.
    `entries` is the number of members of the tar.
    """

    diff_size: int
    entries: int


def scan_layer(fd: int, offset: int = 0, size: int | None = None) -> LayerScan:
    """Check the layer tar in `size` bytes of an open file from `offset` on, and measure it.

    Takes some 300 bytes of memory an entry, released on return. Raises Corrupt
    in dockerd's words for a layer that it would fail to register.
    """
    tree = _Tree()
    entries = 0
    end = os.fstat(fd).st_size if size is None else offset + size
    try:
        for member in members(fd, offset, end):
            entries += 1
            tree.add(member)
    except _Duplicate:
        raise Corrupt("Error processing tar file(duplicates of file paths not supported): ") from None
    except Corrupt as error:
        raise Corrupt(f"Error processing tar file(exit status 1): {error}") from None
    return LayerScan(tree.size, entries)


def path_in_layer(name: str) -> str:
    """Return where a member called `name` lies under the root of the layer; "" is the root.

    `..` stops at the root, so that no name leads out of the layer.
    """
    return name if _is_clean(name) else normpath("/" + name.lstrip("/"))[1:]


def _is_clean(name: str) -> bool:
    """Tell whether a name is surely its own shortest form; no only means maybe."""
    return bool(name) and not (name[0] in "/." or name[-1] == "/" or "/." in name or "//" in name)


class _Duplicate(Exception):
    """Two members of the same name."""


class _Failed(Exception):
    """A system call of the unpacking would fail; the text is the error's."""


class _Inode:
    """A symbolic link, which has a `target`, or anything else of several names but a directory."""

    __slots__ = ("links", "size", "target")

    def __init__(self, size: int, target: str | None = None) -> None:
        self.size = size
        self.links = 1
        self.target = target


if TYPE_CHECKING:
    # What has one name and no target is its size alone: most of a layer, so
    # this halves the memory, and leaves nothing for the cyclic collector to walk.
    _Folder = dict[str, "_Folder | _Inode | int"]


class _Tree:
    """The folder a layer is unpacked into. `size` counts the inodes in it."""

    def __init__(self) -> None:
        self.size = 0
        self._root: _Folder = {}
        self._seen: set[str] = set()
        # Members of a folder follow one another, so the last one is kept at hand.
        self._last_parent = ""
        self._last_folder = self._root

    def add(self, member: Member) -> None:
        """Unpack one member. Raises _Duplicate or Corrupt."""
        name = member.name if _is_clean(member.name) else normpath(member.name)
        if name != ".":
            self._unpack(path_in_layer(name), member)
        # Docker notices a name that comes twice as it takes the archive down,
        # when the unpacking is already there.
        if name in self._seen:
            raise _Duplicate
        self._seen.add(name)

    def _unpack(self, path: str, member: Member) -> None:
        if not path:
            if member.type == DIRECTORY:
                return
            raise Corrupt("unlinkat .//: device or resource busy")
        parent, _, base = path.rpartition("/")
        try:
            if parent != self._last_parent:
                self._last_folder = self._walk(parent, make=True)
                self._last_parent = parent
            if base.startswith(WHITEOUT):
                self._add_whiteout(self._last_folder, base)
            else:
                self._add_node(self._last_folder, base, path, member)
        except _Failed as error:
            raise Corrupt(_describe(member, parent, base, str(error))) from None

    def _add_node(self, folder: _Folder, base: str, path: str, member: Member) -> None:
        if len(path) > _NAME_MAX // 4:
            _check_length(base, _NAME_MAX)
            _check_length("/" + path, _PATH_MAX)
        kind = member.type
        existing = folder.get(base)
        if existing is not None:
            if kind == DIRECTORY and isinstance(existing, dict):
                return
            self._remove(folder, base)
        if kind == REGULAR:
            self.size += member.size
            folder[base] = member.size
        elif kind == DIRECTORY:
            folder[base] = {}
        elif kind == SYMLINK:
            if not member.linkname:
                raise _Failed(_NO_ENTRY)
            length = _check_length(member.linkname, _PATH_MAX)
            self.size += length
            folder[base] = _Inode(length, member.linkname)
        elif kind == HARD_LINK:
            folder[base] = self._link(path_in_layer(member.linkname))
        elif kind in _MKNOD:
            folder[base] = 0
        else:
            raise Corrupt(f"unhandled tar header type {ord(kind)}")

    def _add_whiteout(self, folder: _Folder, base: str) -> None:
        """Unpack a whiteout as overlay2 does: a device, which a later entry may replace."""
        if base in folder:
            self._remove(folder, base)
        if base == OPAQUE:
            return
        hidden = base[len(WHITEOUT) :]
        if hidden in ("", ".", "..") or hidden in folder:
            raise _Failed(_EXISTS)
        _check_length(hidden, _NAME_MAX)
        folder[hidden] = 0

    def _link(self, target: str) -> _Inode:
        parent, _, base = target.rpartition("/")
        folder = self._walk(parent)
        node = folder.get(base) if base else folder
        if node is None:
            raise _Failed(_NO_ENTRY)
        if isinstance(node, dict):
            raise _Failed(_NOT_PERMITTED)
        if isinstance(node, int):
            node = folder[base] = _Inode(node)
        node.links += 1
        return node

    def _remove(self, folder: _Folder, base: str) -> None:
        """Remove what has that name, with all that is below it."""
        doomed = [folder.pop(base)]
        while doomed:
            node = doomed.pop()
            if isinstance(node, dict):
                doomed.extend(node.values())
            elif isinstance(node, int):
                self.size -= node
            else:
                node.links -= 1
                if not node.links:
                    self.size -= node.size
        # The folder at hand may be gone, or no longer be what its path leads to.
        self._last_parent, self._last_folder = "", self._root

    def _walk(self, path: str, *, make: bool = False) -> _Folder:
        """Return the folder a clean path leads to, through links; with `make`, make what is missing.

        Folders are made along the path itself, not where a link points to.
        """
        way = [self._root]
        parts = path.split("/") if path else []
        ahead = parts[::-1]
        own = len(ahead)  # this many of `ahead` are parts of the path; those above them came from a link
        links = 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del way[max(1, len(way) - 1) :]
                continue
            from_link = len(ahead) >= own
            node = way[-1].get(part)
            if node is None:
                if from_link and make and own:
                    # To Docker what lies behind a link to nowhere is missing, and the link in its way.
                    raise Corrupt(f"mkdir /{'/'.join(parts[:-own])}: {_EXISTS}")
                if from_link or not make:
                    raise _Failed(_NO_ENTRY)
                _check_length(part, _NAME_MAX)
                node = way[-1][part] = {}
            if isinstance(node, dict):
                way.append(node)
            elif isinstance(node, int) or node.target is None:
                raise _Failed(_NOT_DIRECTORY)
            else:
                links += 1
                if links > _LINKS_MAX:
                    raise _Failed(_LOOP)
                if not from_link:
                    own = len(ahead)
                if node.target.startswith("/"):
                    del way[1:]
                ahead.extend(reversed(node.target.split("/")))
        return way[-1]


def _check_length(text: str, room: int) -> int:
    """Return the length of `text` in bytes. Raises _Failed if that is more than `room`."""
    length = len(text.encode("utf-8", "surrogateescape"))
    if length > room:
        raise _Failed(_TOO_LONG)
    return length


def _describe(member: Member, parent: str, base: str, error: str) -> str:
    """Return the words of dockerd for a failed system call."""
    folder = f"/{parent}/" if parent else "/"
    path = folder + base
    if base == OPAQUE or (member.type in _MKNOD and not base.startswith(WHITEOUT)):
        return error
    if base.startswith(WHITEOUT):
        return f'failed to mknod("{normpath(folder + base[len(WHITEOUT) :])}", S_IFCHR, 0): {error}'
    if member.type == DIRECTORY:
        return f"mkdir {path}: {error}"
    if member.type == SYMLINK:
        return f"symlink {member.linkname} {path}: {error}"
    if member.type == HARD_LINK:
        return f"link /{path_in_layer(member.linkname)} {path}: {error}"
    return f"open {path}: {error}"
