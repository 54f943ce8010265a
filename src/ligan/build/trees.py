"""What can be copied from: a tree of files, be it a tar, a folder or the mounted files of an image.

Paths are relative to the tree's root, "" is the root itself, and no link leads out of it.

Source of the rules: engine 20.10, pkg/symlink, pkg/containerfs and builder/remotecontext.
"""

from __future__ import annotations

import errno
import os
import stat
from posixpath import normpath

from ligan.errors import Invalid
from ligan.layers.tar import BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, FIFO, REGULAR, SYMLINK
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, Protocol, Self

    from ligan.images.source import Extent

    class Ignore(Protocol):
        """What leaves out files."""

        def matches(self, path: str, /) -> bool:
            """Return whether what has this path is left out."""

        def may_hold_exceptions(self, folder: str, /) -> bool:
            """Return whether something in a folder that is left out may be in: false spares a walk."""


KINDS = {
    stat.S_IFREG: REGULAR,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHARACTER_DEVICE,
    stat.S_IFBLK: BLOCK_DEVICE,
    stat.S_IFIFO: FIFO,
}
"""What can be copied, by the type in its mode. Sockets are not: to all that look, they are not there."""

TYPES = {kind: bits for bits, kind in KINDS.items()}

_LINKS_MAX = 255
NO_XATTRS: Mapping[str, bytes] = {}


class ForbiddenPath(Invalid):
    """A path leads out of the tree, through a file, or around in a circle: Docker has one message for all."""

    def __init__(self, path: str) -> None:
        super().__init__(f"forbidden path outside the build context: {path} ()")
        self.path = path


class Entry(Value):
    """One name in a tree. `kind` is a type of tar, never that of a hard link; `mode` has no type in it.

    `size` is 0 but for regular files, `mtime` is in nanoseconds, `target` what a symbolic link says. Names of
    one file share an `inode` that is not 0. Of the extended attributes there is only a file's capability. A
    folder is `implied` where nothing tells of it but the names of what is in it.
    """

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str = ""
    devmajor: int = 0
    devminor: int = 0
    xattrs: Mapping[str, bytes] = NO_XATTRS
    uname: str = ""
    gname: str = ""
    inode: int = 0
    implied: bool = False

    @property
    def is_folder(self) -> bool:
        return self.kind == DIRECTORY

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


class Tree:
    """A role: `with` it, and look. What it holds open goes with the block.

    As a context that is mounted `owners_count` says whether files are whose the tree says: those of a folder
    of this machine are root's there, whoever has them here.
    """

    owners_count = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: Any) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is open. Nothing of the tree can be used any more."""
        raise NotImplementedError

    def entry(self, path: str) -> Entry | None:
        """Return what has this clean path, on which there may be no link; None where there is nothing."""
        raise NotImplementedError

    def walk(self, path: str = "") -> Iterator[Entry]:
        """Yield what has this clean path, then all below it, if it is there. Links are not followed.

        A folder comes before what it holds; names are sorted by their bytes.
        """
        raise NotImplementedError

    def read(self, entry: Entry) -> Iterator[bytes]:
        """Yield exactly `entry.size` bytes, the content of a regular file.

        Raises Unavailable for what cannot be read, or has become shorter.
        """
        raise NotImplementedError

    def extent(self, entry: Entry) -> Extent:
        """Return where the content of a regular file lies, to be closed. Raises Unavailable."""
        raise NotImplementedError

    def tarsum(self, entry: Entry) -> str | None:
        """Return Docker's sum of one entry, in hexadecimal, or None where the tree has none: see `sums`."""
        raise NotImplementedError

    def missing_sum(self, path: str, target: str) -> str:
        """Return what Docker takes for the sum of a link that leads to `target`, where nothing is."""
        raise NotImplementedError

    def find(self, path: str) -> Entry | None:
        """Return what a path leads to, all links followed; its own `path` has none. Raises as `resolve`."""
        return self.entry(self.resolve(path))

    def resolve(self, path: str) -> str:
        """Return where a path leads to, as a clean path without links, whether or not anything is there.

        `..` is taken from the path before anything is looked up. Raises ForbiddenPath for a path that begins
        outside, leads through a file, or around in a circle.
        """
        clean = normpath(f"./{path}")
        if clean == ".." or clean.startswith("../"):
            raise ForbiddenPath(path)
        done = ""
        ahead = clean.split("/")[::-1]
        links = 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            here = f"{done}/{part}" if done else part
            node = self.entry(here)
            if node is not None and node.kind == SYMLINK:
                links += 1
                if links > _LINKS_MAX:
                    raise ForbiddenPath(path)
                if node.target.startswith("/"):
                    done = ""
                ahead.extend(node.target.split("/")[::-1])
            elif node is not None and not node.is_folder and ahead:
                raise ForbiddenPath(path)
            else:
                done = here
        return done

    def glob(self, pattern: str, top: str = "") -> list[Entry]:
        """Return what has a path below `top` that Go's filepath.Match matches, in the order of `walk`.

        Links are neither followed nor left out. A pattern with a fault in it matches nothing, as in Docker.
        """
        from ligan.images.pattern import BadPattern, Pattern

        wanted = Pattern(pattern)
        stem = len(top) + 1 if top else 0
        try:
            return [
                entry
                for entry in self.walk(top)
                if len(entry.path) > stem and wanted.matches(entry.path[stem:])
            ]
        except BadPattern:
            return []

    def text(self, entry: Entry) -> str:
        """Return the content of a file, which is taken for UTF-8; other bytes are kept as surrogates."""
        return b"".join(self.read(entry)).decode("utf-8", "surrogateescape")


def without(ignore: Ignore, entries: Iterable[Entry], stem: int = 0) -> Iterator[Entry]:
    """Yield what of a walk is not ignored, and the folders above it. `stem` is where paths begin to count."""
    held: list[Entry] = []
    for entry in entries:
        while held and not entry.path.startswith(f"{held[-1].path}/"):
            held.pop()
        path = entry.path[stem:]
        if path and ignore.matches(path):
            if entry.is_folder:
                held.append(entry)  # to come up once something in it turns out not to be ignored
            continue
        yield from held
        held.clear()
        yield entry


def capability_of(value: bytes) -> bytes:
    """Return a capability as layers have it: revision 3 names the root of a namespace, of no use outside."""
    return value[:3] + b"\2" + value[4:20] if len(value) > 3 and value[3] == 3 else value


def has_wildcards(path: str) -> bool:
    """Return whether Docker takes a source for a pattern."""
    escaped = False
    for char in path:
        if not escaped and char in "*?[":
            return True
        escaped = char == "\\" and not escaped
    return False


def sort_key(name: str) -> bytes:
    """Return what names are sorted by: their bytes."""
    return os.fsencode(name)


def words(error: OSError) -> str:
    return os.strerror(error.errno or errno.EIO).lower()
