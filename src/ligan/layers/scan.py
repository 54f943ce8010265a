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
from ligan.layers.tar_xattrs import xattrs_of
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    # What has one name and no target is a number alone: most of a layer, so
    # this halves the memory, and leaves nothing for the cyclic collector to walk.
    Folder = dict[str, "Folder | Inode | int"]

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


class Inode:
    """A symbolic link, which has a `target`, or anything else of several names but a directory."""

    __slots__ = ("links", "number", "size", "target")

    def __init__(self, number: int, size: int, target: str | None = None) -> None:
        self.number = number
        self.size = size
        self.links = 1
        self.target = target


class Inodes:
    """Keeps the inodes of a tree, which knows them by their numbers.

    This class keeps sizes, all that a scan needs, and the numbers are the
    sizes. One that keeps more is told all that happens to an inode, and may
    number it anew.
    """

    def add(self, member: Member) -> int:
        """Return the number of a new inode, neither a directory nor a hard link."""
        return member.size if member.type == REGULAR else 0

    def add_whiteout(self, member: Member) -> int:
        return 0

    def add_folder(self, member: Member | None, *, missing: bool = False) -> Folder:
        """Return a new folder; without a member the root, with `missing` one above the member."""
        return {}

    def size(self, number: int) -> int:
        """Return the size of a file, 0 of any other kind but a symbolic link."""
        return number

    def change(self, number: int, member: Member, target: str | None) -> int:
        """Let a hard link's header tell of the inode it leads to, a symbolic link's if that has a target."""
        return number

    def change_folder(self, folder: Folder, member: Member) -> None:
        """Let another header tell of a folder."""

    def mark_opaque(self, folder: Folder) -> None:
        """Hide what layers below have in a folder."""

    def touch(self, node: Folder | Inode | int, member: Member) -> None:
        """Give an inode the time of a folder's header."""


def scan_layer(fd: int, offset: int = 0, size: int | None = None, inodes: Inodes | None = None) -> LayerScan:
    """Check the layer tar in `size` bytes of an open file from `offset` on, and measure it.

    Takes some 300 bytes of memory an entry, released on return unless `inodes`
    keeps the folders. Raises Corrupt in dockerd's words for a layer that it
    would fail to register.
    """
    tree = _Tree(inodes or Inodes())
    entries = 0
    end = os.fstat(fd).st_size if size is None else offset + size
    try:
        for member in members(fd, offset, end):
            entries += 1
            tree.add(member)
        if tree.replaced:
            for member in members(fd, offset, end):
                tree.set_time_of_folder(member)
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


class _Tree:
    """The folder a layer is unpacked into. `size` counts the inodes in it.

    `replaced` tells whether anything was removed for a later entry.
    """

    def __init__(self, inodes: Inodes) -> None:
        self.size = 0
        self.replaced = False
        self._inodes = inodes
        self._root = inodes.add_folder(None)
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

    def set_time_of_folder(self, member: Member) -> None:
        """Set the time of the directory that `member` made, as Docker does once all is unpacked.

        Docker looks for it by its name again, and that may lead elsewhere by
        then, or nowhere.
        """
        name = normpath(member.name)
        path = path_in_layer(name)
        if member.type != DIRECTORY or name == "." or path.rpartition("/")[2].startswith(WHITEOUT):
            return
        try:
            self._inodes.touch(self._find(path), member)
        except _Failed as error:
            raise Corrupt(f"chtimes /{path}: {error}") from None

    def _unpack(self, path: str, member: Member) -> None:
        if not path:
            if member.type == DIRECTORY:
                self._inodes.change_folder(self._root, member)
                xattrs_of(member)
                return
            raise Corrupt("unlinkat .//: device or resource busy")
        parent, _, base = path.rpartition("/")
        try:
            if parent != self._last_parent:
                self._last_folder = self._walk(parent, member)
                self._last_parent = parent
            if base.startswith(WHITEOUT):
                self._add_whiteout(self._last_folder, base, member)
            else:
                self._add_node(self._last_folder, base, path, member)
                if member.pax:
                    xattrs_of(member)
        except _Failed as error:
            raise Corrupt(_describe(member, parent, base, str(error))) from None

    def _add_node(self, folder: Folder, base: str, path: str, member: Member) -> None:
        if len(path) > _NAME_MAX // 4:
            _check_length(base, _NAME_MAX)
            _check_length("/" + path, _PATH_MAX)
        kind = member.type
        existing = folder.get(base)
        if existing is not None:
            if kind == DIRECTORY and isinstance(existing, dict):
                self._inodes.change_folder(existing, member)
                return
            self._remove(folder, base)
        if kind == REGULAR:
            self.size += member.size
            folder[base] = self._inodes.add(member)
        elif kind == DIRECTORY:
            folder[base] = self._inodes.add_folder(member)
        elif kind == SYMLINK:
            if not member.linkname:
                raise _Failed(_NO_ENTRY)
            length = _check_length(member.linkname, _PATH_MAX)
            self.size += length
            folder[base] = Inode(self._inodes.add(member), length, member.linkname)
        elif kind == HARD_LINK:
            folder[base] = self._link(member)
        elif kind in _MKNOD:
            folder[base] = self._inodes.add(member)
        else:
            raise Corrupt(f"unhandled tar header type {ord(kind)}")

    def _add_whiteout(self, folder: Folder, base: str, member: Member) -> None:
        """Unpack a whiteout as overlay2 does: a device, which a later entry may replace."""
        if base in folder:
            self._remove(folder, base)
        if base == OPAQUE:
            self._inodes.mark_opaque(folder)
            return
        hidden = base[len(WHITEOUT) :]
        if hidden in ("", ".", "..") or hidden in folder:
            raise _Failed(_EXISTS)
        _check_length(hidden, _NAME_MAX)
        folder[hidden] = self._inodes.add_whiteout(member)

    def _link(self, member: Member) -> Inode:
        parent, _, base = path_in_layer(member.linkname).rpartition("/")
        folder = self._walk(parent)
        node = folder.get(base) if base else folder
        if node is None:
            raise _Failed(_NO_ENTRY)
        if isinstance(node, dict):
            raise _Failed(_NOT_PERMITTED)
        if isinstance(node, int):
            node = folder[base] = Inode(node, self._inodes.size(node))
        node.links += 1
        node.number = self._inodes.change(node.number, member, node.target)
        return node

    def _remove(self, folder: Folder, base: str) -> None:
        """Remove what has that name, with all that is below it."""
        self.replaced = True
        doomed = [folder.pop(base)]
        while doomed:
            node = doomed.pop()
            if isinstance(node, dict):
                doomed.extend(node.values())
            elif isinstance(node, int):
                self.size -= self._inodes.size(node)
            else:
                node.links -= 1
                if not node.links:
                    self.size -= node.size
        # The folder at hand may be gone, or no longer be what its path leads to.
        self._last_parent, self._last_folder = "", self._root

    def _walk(self, path: str, maker: Member | None = None) -> Folder:
        """Return the folder a clean path leads to, through links; for a `maker`, make what is missing."""
        node = self._find(path, maker)
        if not isinstance(node, dict):
            raise _Failed(_NOT_DIRECTORY)
        return node

    def _find(self, path: str, maker: Member | None = None) -> Folder | Inode | int:
        """Return what a clean path leads to, through links; for a `maker`, make folders that are missing.

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
                if from_link and maker and own:
                    # To Docker what lies behind a link to nowhere is missing, and the link in its way.
                    raise Corrupt(f"mkdir /{'/'.join(parts[:-own])}: {_EXISTS}")
                if from_link or not maker:
                    raise _Failed(_NO_ENTRY)
                _check_length(part, _NAME_MAX)
                node = way[-1][part] = self._inodes.add_folder(maker, missing=True)
            if isinstance(node, dict):
                way.append(node)
            elif isinstance(node, int) or node.target is None:
                if ahead:
                    raise _Failed(_NOT_DIRECTORY)
                return node
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
