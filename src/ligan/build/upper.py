"""What a writable layer over an image would hold after some copying, in memory, and the tar that it would be.

It is played as the kernel and Docker play it: what lies in a folder of the image shows until something takes
its place, and a folder that takes the place of something else hides all that was there.
"""

from __future__ import annotations

import errno
import os
import stat

from ligan.build.trees import NO_XATTRS, TYPES, sort_key
from ligan.errors import Invalid
from ligan.layers.attributes import CAPABILITY
from ligan.layers.beneath import open_root
from ligan.layers.tar import BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, HARD_LINK, REGULAR, SYMLINK, XATTR
from ligan.layers.tar_write import header, padding
from ligan.layers.tree_tar import chunks, owners_here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    from ligan.build.trees import Entry, Tree

    Node: TypeAlias = "Folder | File | os.stat_result"
    """What has a path: of the layer, or of the image."""

_LINKS_MAX = 255


class File:
    """Anything but a folder. Files of the same `inode`, which is not None, are one file of several names."""

    __slots__ = ("entry", "gid", "inode", "mode", "mtime", "tree", "uid", "xattrs")

    def __init__(
        self,
        tree: Tree,
        entry: Entry,
        mode: int,
        uid: int,
        gid: int,
        mtime: int,
        xattrs: Mapping[str, bytes],
        inode: tuple[int, int] | None,
    ) -> None:
        self.tree = tree
        self.entry = entry
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.mtime = mtime
        self.xattrs = xattrs
        self.inode = inode


class Folder:
    """A folder of the layer. What the image has in it `shows`; an opaque one hides that, where it has any."""

    __slots__ = ("children", "gid", "is_opaque", "mode", "mtime", "shows", "uid")

    def __init__(
        self, mode: int, uid: int, gid: int, mtime: int, *, shows: bool = False, is_opaque: bool = False
    ) -> None:
        self.children: dict[str, Folder | File] = {}
        self.shows = shows
        self.is_opaque = is_opaque
        self.set(mode, uid, gid, mtime)

    def set(self, mode: int, uid: int, gid: int, mtime: int) -> None:
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.mtime = mtime


class Upper:
    """The layer in the making. New folders are of `time`, and nothing is after `latest`: both in seconds."""

    def __init__(self, base: str | None, time: int, latest: int | None) -> None:
        self._base = -1 if base is None else open_root(base)
        self._statuses: dict[str, os.stat_result | None] = {}
        self._latest = latest
        self._time = self.bounded(time)
        self.root = Folder(0o755, 0, 0, 0, shows=base is not None)

    def close(self) -> None:
        """Let go of the image's folder. What was arranged stays; nothing can be added."""
        if self._base >= 0:
            os.close(self._base)
            self._base = -1

    def bounded(self, time: int) -> int:
        """Return a time as the layer has it: to Docker what was before 1970 was then."""
        return max(0, time if self._latest is None else min(time, self._latest))

    def _below(self, path: str) -> os.stat_result | None:
        """Return what the image has at a path without links."""
        if self._base < 0:
            return None
        try:
            return self._statuses[path]
        except KeyError:
            pass
        try:
            status = os.lstat(path or ".", dir_fd=self._base)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise Invalid(f"lstat /{path}: {os.strerror(error.errno or 0).lower()}") from None
            status = None
        self._statuses[path] = status
        return status

    def _node(self, path: str) -> Node | None:
        """Return what has a path without links, in the layer or seen through it."""
        at: Folder | File = self.root
        for part in path.split("/") if path else ():
            if isinstance(at, File):
                return None
            below = at.children.get(part)
            if below is None:
                return self._below(path) if at.shows else None
            at = below
        return at

    def is_folder(self, path: str) -> bool:
        """Return whether a path without links is that of a folder."""
        node = self._node(path)
        return isinstance(node, Folder) or (isinstance(node, os.stat_result) and stat.S_ISDIR(node.st_mode))

    def resolve(self, path: str, top: str = "") -> str:
        """Return where a path below `top` leads to, links followed as if `top` were the root.

        What is missing is not followed, and not an error. Raises Invalid for links that go in a circle, and
        for a path that leads through a file.
        """
        done = top
        ahead = path.split("/")[::-1]
        links = 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done.rpartition("/")[0] if done != top else top
                continue
            here = f"{done}/{part}" if done else part
            node = self._node(here)
            if node is None and done and self.kind(done) == "file":
                raise Invalid(f"lstat /{here}: not a directory")
            target = self._target(here, node)
            if target is None:
                done = here
                continue
            links += 1
            if links > _LINKS_MAX:
                raise Invalid(f"evalSymlinksInScope: too many links in /{path}")
            if target.startswith("/"):
                done = top
            ahead.extend(target.split("/")[::-1])
        return done

    def _target(self, path: str, node: Node | None) -> str | None:
        """Return what the link says that is at a path, None for anything else."""
        if isinstance(node, File):
            return node.entry.target if node.entry.kind == SYMLINK else None
        if isinstance(node, os.stat_result) and stat.S_ISLNK(node.st_mode):
            return os.readlink(path, dir_fd=self._base)
        return None

    def folder(self, path: str, owner: tuple[int, int]) -> Folder:
        """Return the folder of a path without links; what is missing is made, and given to the owner.

        Raises Invalid where something else is in the way.
        """
        at = self.root
        here = ""
        for part in path.split("/") if path else ():
            here = f"{here}/{part}" if here else part
            node = at.children.get(part)
            if node is None:
                status = self._below(here) if at.shows else None
                if status is None:
                    node = Folder(0o755, *owner, self._time)
                elif stat.S_ISDIR(status.st_mode):
                    node = self._seen_through(status)
                else:
                    raise Invalid(f"mkdir /{here}: not a directory")
                at.children[part] = node
            if isinstance(node, File):
                raise Invalid(f"mkdir /{here}: not a directory")
            at = node
        return at

    def _seen_through(self, status: os.stat_result) -> Folder:
        mode = stat.S_IMODE(status.st_mode)
        mtime = self.bounded(status.st_mtime_ns // 1_000_000_000)
        return Folder(mode, status.st_uid, status.st_gid, mtime, shows=True)

    def put_folder(self, at: Folder, name: str, path: str) -> Folder:
        """Return the folder of that name in a folder of the layer; what else has the name goes.

        `path` is its own. What is to be known of it is still to be set.
        """
        node = at.children.get(name)
        if isinstance(node, Folder):
            return node
        status = self._below(path) if at.shows else None
        if status is None:
            new = Folder(0o755, 0, 0, 0)
        elif node is None and stat.S_ISDIR(status.st_mode):
            new = self._seen_through(status)
        else:
            new = Folder(0o755, 0, 0, 0, is_opaque=True)
        at.children[name] = new
        return new

    def kind(self, path: str) -> str:
        """Return "folder", "file" (which is all else) or "" for what has a path without links."""
        return "folder" if self.is_folder(path) else "file" if self._node(path) is not None else ""

    def size(self) -> int:
        """Return Docker's size of the layer: of files and links, each inode once."""
        total = 0
        seen = set()
        for _, node in self._nodes():
            if isinstance(node, File):
                if node.inode is not None:
                    if (key := (id(node.tree), node.inode)) in seen:
                        continue
                    seen.add(key)
                total += len(os.fsencode(node.entry.target)) or node.entry.size
        return total

    def tar(self) -> Iterator[bytes]:
        """Yield the layer as a tar. Raises Unavailable for what cannot be read."""
        return chunks(self._members(), "what is copied")

    def _nodes(self) -> Iterator[tuple[str, Folder | File]]:
        """Yield all of the layer with its path: a folder before what it holds, names by their bytes."""
        ahead: list[tuple[str, Folder | File]] = [("", self.root)]
        while ahead:
            path, node = ahead.pop()
            if path:
                yield path, node
            if isinstance(node, Folder):
                stem = f"{path}/" if path else ""
                children = node.children
                ahead.extend(
                    [(stem + name, children[name]) for name in sorted(children, key=sort_key, reverse=True)]
                )

    def _members(self) -> Iterator[bytes]:
        first_names: dict[tuple[int, tuple[int, int]], str] = {}
        names: dict[tuple[int, int], tuple[str, str]] = {}
        for path, node in self._nodes():
            owner = (node.uid, node.gid)
            owners = names.get(owner)
            if owners is None:
                owners = names[owner] = owners_here(*owner)
            if isinstance(node, Folder):
                yield from _folder_members(node, path, owners)
                continue
            first = path
            if node.inode is not None:
                first = first_names.setdefault((id(node.tree), node.inode), path)
            yield _file_header(node, path, first if first != path else "", owners)
            if node.entry.kind == REGULAR and first == path:
                yield from node.tree.read(node.entry)
                yield padding(node.entry.size)


def _folder_members(folder: Folder, path: str, owners: tuple[str, str]) -> Iterator[bytes]:
    uname, gname = owners
    mode = stat.S_IFDIR | folder.mode
    yield header(
        f"{path}/", 0, folder.mtime, mode, DIRECTORY, folder.uid, folder.gid, uname=uname, gname=gname
    )
    if folder.is_opaque:
        mode &= 0o777
        yield header(
            f"{path}/.wh..wh..opq", 0, 0, mode, REGULAR, folder.uid, folder.gid, uname=uname, gname=gname
        )


def _file_header(file: File, path: str, first: str, owners: tuple[str, str]) -> bytes:
    entry = file.entry
    kind = HARD_LINK if first else entry.kind
    is_device = kind in (BLOCK_DEVICE, CHARACTER_DEVICE)
    records = {XATTR + CAPABILITY: file.xattrs[CAPABILITY]} if CAPABILITY in file.xattrs else NO_XATTRS
    return header(
        path,
        entry.size if kind == REGULAR else 0,
        file.mtime,
        TYPES[entry.kind] | file.mode,
        kind,
        file.uid,
        file.gid,
        first or entry.target,
        uname=owners[0],
        gname=owners[1],
        devmajor=entry.devmajor if is_device else 0,
        devminor=entry.devminor if is_device else 0,
        records=records,
    )
