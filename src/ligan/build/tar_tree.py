"""The files of a tar, where they lie in it: an uploaded context, which is never unpacked.

One pass over the tar finds where everything is and takes Docker's sums. What the tar says is played on names
in memory as Docker plays it on a folder: the last of equal names counts, links on the way are followed inside
the root, and what Docker could not unpack is refused.

Source: engine 20.10, pkg/archive (Unpack) and pkg/tarsum.
"""

from __future__ import annotations

import os
from itertools import chain

from ligan.build.sums import tarsum
from ligan.build.trees import NO_XATTRS, Entry, Tree, capability_of, sort_key
from ligan.errors import Corrupt, Unavailable
from ligan.images.source import Extent, ExtentReader, content_of, regular_file
from ligan.layers.attributes import CAPABILITY
from ligan.layers.scan import path_in_layer
from ligan.layers.tar import (
    BLOCK,
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    XATTR,
    begins_archive,
    members,
)
from ligan.layers.tar_xattrs import xattrs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    from ligan.layers.compression import Source
    from ligan.layers.tar import Member
    from ligan.store.blobs import Lease

_NODES = (REGULAR, DIRECTORY, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE, FIFO)
_CHUNK = 1 << 20
_LINKS_MAX, _NAME_MAX, _PATH_MAX = 40, 255, 4094  # the kernel's, by whose rules a tar is unpacked


class _Member(Entry):
    """An entry, and where its content is in the tar."""

    offset: int = 0
    sparse: tuple[tuple[int, int], ...] | None = None


_Folder = dict[str, "_Member"]


def open_tar(stream: BinaryIO | Source, lease: Lease) -> TarTree:
    """Return the tree of a tar, in whatever way it comes and is compressed.

    What cannot be read in place is written into the lease. The stream has to stay open as long as the tree.
    Raises Corrupt in Docker's words for what it would not unpack.
    """
    file = regular_file(stream)
    if file is not None and file.compression() is None:
        return TarTree(os.dup(file.fd), file.offset)
    return TarTree(os.open(lease.spool(content_of(stream, None)), os.O_RDONLY | os.O_CLOEXEC))


def open_member(extent: Extent, lease: Lease) -> TarTree | None:
    """Return the tree of an archive, of which a file is the content; None for a file that is none.

    To Docker an archive is what begins with a header once it is decompressed. Raises Corrupt as `open_tar`.
    """
    if extent.runs is None and extent.compression() is None:
        if not begins_archive(extent.first(BLOCK)):
            return None
        return TarTree(os.dup(extent.fd), extent.offset, extent.offset + extent.size)
    content = content_of(ExtentReader(extent, lambda _count: None), None)
    first = b""
    try:
        while len(first) < BLOCK and (more := next(content, b"")):
            first += more
    except Corrupt:
        return None
    if not begins_archive(first):
        return None
    return TarTree(os.open(lease.spool(chain((first,), content)), os.O_RDONLY | os.O_CLOEXEC))


class TarTree(Tree):
    """The tree of an open tar file, whose descriptor is the tree's from then on."""

    def __init__(self, fd: int, start: int = 0, end: int | None = None) -> None:
        self._fd = fd
        self._root = _Member("", DIRECTORY, 0o755, 0, 0, 0, 0)
        self._folders: dict[str, _Folder] = {"": {}}
        self._sums: dict[str, str] = {}
        self._names: dict[int, list[str]] = {}  # of files that have several, by where they lie
        try:
            for member in members(fd, start, end):
                # Docker looks a sum up by its name in the tar, and finds the first.
                self._sums.setdefault(path_in_layer(member.name), self._sum(member))
                self._add(member)
        except Corrupt as error:
            self.close()
            raise Corrupt(f"Error processing tar file(exit status 1): {error}") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self, path: str) -> None:
        """Take what has this path out of the tree, with all below it; there may be nothing."""
        parent, _, base = path.rpartition("/")
        if base in self._folders.get(parent, ()):
            self._remove(parent, base)

    def entry(self, path: str) -> Entry | None:
        if not path:
            return self._root
        parent, _, base = path.rpartition("/")
        folder = self._folders.get(parent)
        return None if folder is None else folder.get(base)

    def walk(self, path: str = "") -> Iterator[Entry]:
        top = self.entry(path)
        ahead = [] if top is None else [top]
        while ahead:
            entry = ahead.pop()
            yield entry
            if entry.kind == DIRECTORY:
                folder = self._folders[entry.path]
                ahead.extend([folder[name] for name in sorted(folder, key=sort_key, reverse=True)])

    def read(self, entry: Entry) -> Iterator[bytes]:
        assert isinstance(entry, _Member)
        return self._content(entry.offset, entry.size, entry.sparse)

    def _content(self, offset: int, size: int, sparse: tuple[tuple[int, int], ...] | None) -> Iterator[bytes]:
        if size > _CHUNK or sparse is not None:
            return Extent(self._fd, offset, size, sparse).chunks()
        data = os.pread(self._fd, size, offset) if size else b""
        if len(data) < size:
            raise Unavailable("the context has become shorter while it was read")
        return iter((data,))

    def extent(self, entry: Entry) -> Extent:
        assert isinstance(entry, _Member)
        return Extent(self._fd, entry.offset, entry.size, entry.sparse)

    def tarsum(self, entry: Entry) -> str | None:
        return self._sums.get(entry.path)

    def missing_sum(self, path: str, target: str) -> str:
        return path

    def _sum(self, member: Member) -> str:
        hasher = tarsum(
            member.name,
            member.mode,
            member.uid,
            member.gid,
            member.size,
            member.type,
            member.linkname,
            "",
            "",  # Docker's sums leave out the names of owners, wherever a tar may have them
            member.devmajor,
            member.devminor,
            _attributes(member) if member.pax else NO_XATTRS,
        )
        if member.stored or member.sparse:
            for chunk in self._content(member.offset, member.size, member.sparse):
                hasher.update(chunk)
        return hasher.hexdigest()

    def _add(self, member: Member) -> None:
        path = path_in_layer(member.name)
        if not path:
            return  # to Docker the root is there already, and stays as it is
        if len(path) > _NAME_MAX // 4 or len(member.linkname) > _PATH_MAX // 4:
            _check_length(member, path)
        parent, _, base = path.rpartition("/")
        folder = self._folders.get(parent)
        if folder is None:
            parent = self._made(parent, _doing(member, path), member)
            folder = self._folders[parent]
            path = f"{parent}/{base}" if parent else base
        existing = folder.get(base)
        kind = member.type
        if existing is not None and not (existing.kind == kind == DIRECTORY):
            self._remove(parent, base)
        if kind == HARD_LINK:
            folder[base] = self._linked(member, path)
        elif kind == SYMLINK and not member.linkname:
            raise Corrupt(f"{_doing(member, path)}: no such file or directory")
        elif kind in _NODES:
            folder[base] = _entry_of(member, path)
        else:
            raise Corrupt(f"unhandled tar header type {ord(kind)}")
        if kind == DIRECTORY:
            self._folders.setdefault(path, {})

    def _linked(self, member: Member, path: str) -> _Member:
        """Return the entry of another name for a file that is there. All its names go by the last header."""
        target = path_in_layer(member.linkname)
        parent, _, base = target.rpartition("/")
        words = _doing(member, path)
        found = self._folders[self._made(parent, words)].get(base)
        if found is None:
            raise Corrupt(f"{words}: no such file or directory")
        if found.kind == DIRECTORY:
            raise Corrupt(f"{words}: operation not permitted")
        new = found.replace(path=path, uid=member.uid, gid=member.gid, inode=found.offset)
        if found.kind != SYMLINK:
            new = new.replace(mode=member.mode & 0o7777, mtime=member.mtime)
        names = self._names.setdefault(found.offset, [found.path])
        for name in names:
            above, _, last = name.rpartition("/")
            other = self._folders.get(above, {}).get(last)
            if other is not None and other.offset == new.offset:
                self._folders[above][last] = new.replace(path=name)
        names.append(path)
        return new

    def _made(self, path: str, what: str, maker: Member | None = None) -> str:
        """Return the path of the folder that a path leads to, links followed.

        For a maker, what is missing is made. `what` is what fails where there is no folder.
        """
        done = ""
        parts = path.split("/") if path else []
        ahead = parts[::-1]
        own = len(ahead)  # this many of `ahead` are parts of the path; those above them came from a link
        links = 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            from_link = len(ahead) >= own
            here = f"{done}/{part}" if done else part
            node = self._folders[done].get(part)
            if node is None:
                if from_link and maker and own:  # to Docker the link to nowhere is in the way
                    raise Corrupt(f"mkdir /{'/'.join(parts[:-own])}: file exists")
                if from_link or maker is None:
                    raise Corrupt(f"{what}: no such file or directory")
                self._folders[done][part] = _implied(here, maker)
                self._folders[here] = {}
            elif node.kind == SYMLINK:
                links += 1
                if links > _LINKS_MAX:
                    raise Corrupt(f"{what}: too many levels of symbolic links")
                if not from_link:
                    own = len(ahead)
                if node.target.startswith("/"):
                    done = ""
                ahead.extend(node.target.split("/")[::-1])
                continue
            elif node.kind != DIRECTORY:
                raise Corrupt(f"{what}: not a directory")
            done = here
        return done

    def _remove(self, parent: str, base: str) -> None:
        doomed = [self._folders[parent].pop(base)]
        while doomed:
            entry = doomed.pop()
            if entry.kind == DIRECTORY:
                doomed.extend(self._folders.pop(entry.path).values())


def _check_length(member: Member, path: str) -> None:
    whole = os.fsencode(path)
    longest = max(len(whole), len(os.fsencode(member.linkname)))
    if longest > _PATH_MAX or max(map(len, whole.split(b"/"))) > _NAME_MAX:
        raise Corrupt(f"{_doing(member, path)}: file name too long")


def _doing(member: Member, path: str) -> str:
    """Return what Docker says of a member that it fails to unpack."""
    if member.type == SYMLINK:
        return f"symlink {member.linkname} /{path}"
    if member.type == HARD_LINK:
        return f"link /{path_in_layer(member.linkname)} /{path}"
    return f"{'mkdir' if member.type == DIRECTORY else 'open'} /{path}"


def _implied(path: str, maker: Member) -> _Member:
    """Return a folder that the tar has no member for, but one that lies in it."""
    return _Member(path, DIRECTORY, 0o755, 0, 0, 0, maker.mtime, implied=True)


def _entry_of(member: Member, path: str) -> _Member:
    is_device = member.type in (CHARACTER_DEVICE, BLOCK_DEVICE)
    return _Member(
        path,
        member.type,
        member.mode & 0o7777 if member.type != SYMLINK else 0o777,
        member.uid,
        member.gid,
        member.size if member.type == REGULAR else 0,
        member.mtime,
        member.linkname if member.type == SYMLINK else "",
        member.devmajor if is_device else 0,
        member.devminor if is_device else 0,
        _capability(member) if member.pax else NO_XATTRS,
        offset=member.offset,
        sparse=member.sparse,
    )


def _capability(member: Member) -> Mapping[str, bytes]:
    """Return the only attribute that a copy keeps. Raises Corrupt for those that no file could have."""
    attributes = xattrs_of(member)
    if CAPABILITY not in attributes:
        return NO_XATTRS
    return {CAPABILITY: capability_of(attributes[CAPABILITY])}


def _attributes(member: Member) -> dict[str, bytes]:
    """Return all attributes that the header has, whether or not a file could have them."""
    return {key[len(XATTR) :]: value for key, value in member.pax.items() if value and key.startswith(XATTR)}
