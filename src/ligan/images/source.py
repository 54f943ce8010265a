"""The members of an archive of images, and where their bytes are.

Nothing is unpacked. A plain tar is read in place by random access; what is
compressed or comes through a pipe goes to a file of the lease first. A folder
that holds an OCI layout serves as well.

Members are looked up as if the archive had been unpacked into a folder that is
its own root: the last of several equal names counts, links are followed, and
neither `..` nor a link leads outside (Docker unpacks in a chroot).
"""

from __future__ import annotations

import os
import stat
from io import IOBase
from itertools import chain

from ligan.errors import Corrupt, Invalid
from ligan.layers.compression import detect, open_decompressed
from ligan.layers.scan import path_in_layer
from ligan.layers.tar import BLOCK, DIRECTORY, HARD_LINK, REGULAR, SYMLINK, Member, begins_archive, members
from ligan.layers.tar_fields import INVALID
from ligan.layers.tar_write import END
from ligan.oci.documents import MAX_DOCUMENT_SIZE
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO, Protocol, Self

    from ligan.layers.compression import Reader
    from ligan.layers.compression import Source as Readable
    from ligan.store.blobs import Lease

    class Source(Protocol):
        """Where the members of an archive are found."""

        def has(self, name: str) -> bool:
            """Return whether there is a regular file of this name."""

        def open(self, name: str) -> Extent:
            """Return the member's bytes, to be closed. Raises MissingMember."""

        def folders(self) -> list[str]:
            """Return the names of the folders at the top, sorted."""

        def close(self) -> None: ...


MAX_MEMBERS = 100_000
"""Members in one archive: each takes memory. docker writes three or four a layer."""

_MAX_LINKS = 255  # as in Go's symlink.FollowSymlinkInScope
_CHUNK = 1 << 20
_MAGIC = 6  # bytes that tell a compression


class MissingMember(Invalid):
    """The archive lacks a file that it names. Docker's words, without the path of its temporary folder."""

    def __init__(self, name: str, reason: str = "no such file or directory") -> None:
        super().__init__(f"open {name}: {reason}")


class Extent(Value):
    """A range of an open file; `runs` are the (offset, size) of the data in it, where it has holes."""

    fd: int
    offset: int
    size: int
    runs: tuple[tuple[int, int], ...] | None = None
    owned: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.owned:
            os.close(self.fd)

    def chunks(self, size: int = _CHUNK) -> Iterator[bytes]:
        """Yield the bytes, holes as zeros. Raises Corrupt where the file has become shorter."""
        position = 0
        offset = self.offset
        for start, length in (*self._data(), (self.size, 0)):
            for gap in range(position, start, size):
                yield bytes(min(size, start - gap))
            for done in range(0, length, size):
                chunk = os.pread(self.fd, min(size, length - done), offset + done)
                if len(chunk) < min(size, length - done):
                    raise Corrupt("unexpected EOF")
                yield chunk
            position = start + length
            offset += length

    def _data(self) -> tuple[tuple[int, int], ...]:
        return ((0, self.size),) if self.runs is None else self.runs

    def compression(self) -> str | None:
        """Return how the bytes are compressed, by their first ones, or None."""
        return detect(self.first(_MAGIC)) if self.runs is None else None

    def first(self, count: int) -> bytes:
        """Return the first bytes of an extent without holes, as many as there are of them."""
        return os.pread(self.fd, min(count, self.size), self.offset)


class ExtentReader:
    """Makes an extent readable as a stream; `progress` is told the count of bytes after each chunk."""

    def __init__(self, extent: Extent, progress: Callable[[int], None]) -> None:
        self._chunks = extent.chunks()
        self._progress = progress
        self._pending = b""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, and none only at the end."""
        if not self._pending:
            self._pending = next(self._chunks, b"")
            if self._pending:
                self._progress(len(self._pending))
        data, self._pending = self._pending[:size], self._pending[size:]
        return data


def read_document(source: Source, name: str) -> bytes:
    """Return the bytes of a JSON document. Raises MissingMember, or Invalid for one that is too large."""
    with source.open(name) as extent:
        if extent.size > MAX_DOCUMENT_SIZE:
            raise Invalid(
                f"{name} has {extent.size} bytes; a document may have {MAX_DOCUMENT_SIZE} at the most"
            )
        return b"".join(extent.chunks())


def open_archive(stream: BinaryIO, lease: Lease, limit: int | None) -> TarSource:
    """Return the members of an archive, in whatever way it comes and is compressed.

    `limit` is the most bytes that a compressed or piped archive may take in the
    lease, None for what the disk has room for; more raises Invalid. Raises
    Corrupt with Docker's words for what is no tar. The stream has to stay open
    as long as what is returned.
    """
    file = regular_file(stream)
    if file is not None and file.compression() is None:
        return TarSource(file.fd, file.offset)
    content = content_of(stream, limit)
    first = next(content, b"")
    is_empty = first.startswith(END)  # whatever follows: it may be a whole disk
    path = lease.spool((first,) if is_empty else chain((first,), content))
    return TarSource(os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0, owned=True)


def content_of(stream: Readable, limit: int | None) -> Iterator[bytes]:
    """Yield the content of a stream, whatever it is compressed with.

    Raises Corrupt with Docker's words for what is damaged or does not begin as a tar, Invalid beyond `limit`
    bytes.
    """
    with open_decompressed(stream, limit) as content:
        first = b""
        while len(first) < BLOCK and (more := _read(content)):
            first += more
        if first:
            check_start(first)
            yield first
        while chunk := _read(content):
            yield chunk


def _read(content: Reader) -> bytes:
    try:
        return content.read(_CHUNK)
    except Corrupt as error:
        raise _unreadable(error) from None


def check_start(first: bytes) -> None:
    """Raise Corrupt in Docker's words for bytes that no tar begins with.

    To be asked before they are stored: what is no tar might fill the disk, and cost what undo keeps.
    """
    if len(first) >= BLOCK and not first.startswith(bytes(BLOCK)) and not begins_archive(first):
        raise _unreadable(Corrupt(INVALID))


def _unreadable(error: Corrupt) -> Corrupt:
    return Corrupt(f"Error processing tar file(exit status 1): {error}")


def regular_file(stream: BinaryIO | Readable) -> Extent | None:
    """Return the rest of a stream that can be read in place, None for one that cannot."""
    if not isinstance(stream, IOBase):
        return None
    try:
        fd = stream.fileno()
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode):
            position = stream.tell()
            return Extent(fd, position, max(0, status.st_size - position))
    except OSError:
        pass  # io.UnsupportedOperation is one: bytes in memory have no descriptor
    return None


class TarSource:
    """The members of a tar file: its names with their links, and where each file's bytes are."""

    def __init__(self, fd: int, start: int, *, owned: bool = False) -> None:
        self._fd = fd
        self._owned = owned
        # A file, the target of a link, or None for a folder.
        self._nodes: dict[str, Extent | str | None] = {}
        try:
            for member in members(fd, start):
                self._add(member)
        except BaseException as error:
            self.close()
            if isinstance(error, Corrupt):
                raise _unreadable(error) from None
            raise

    def _add(self, member: Member) -> None:
        parent, _, base = path_in_layer(member.name).rpartition("/")
        folder = self._walk(parent)
        path = f"{folder}/{base}" if folder else base
        if member.type == REGULAR:
            self._nodes[path] = Extent(self._fd, member.offset, member.size, member.sparse)
        elif member.type == SYMLINK:
            self._nodes[path] = member.linkname
        elif member.type == HARD_LINK:
            self._nodes[path] = self._nodes.get(self._walk(path_in_layer(member.linkname)))
        elif member.type == DIRECTORY:
            self._nodes[path] = None
        else:
            self._nodes.pop(path, None)  # a device or FIFO holds nothing to read
        if len(self._nodes) > MAX_MEMBERS:
            raise Invalid(f"the archive has more than {MAX_MEMBERS} members")

    def _walk(self, name: str) -> str:
        """Return the path that a name leads to, links followed, whether or not anything is there."""
        way: list[str] = []
        ahead = name.split("/")[::-1]
        links = 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del way[-1:]
                continue
            way.append(part)
            node = self._nodes.get("/".join(way))
            if isinstance(node, str):
                links += 1
                if links > _MAX_LINKS:
                    raise MissingMember(name, "too many levels of symbolic links")
                if node.startswith("/"):
                    way.clear()
                else:
                    way.pop()
                ahead.extend(reversed(node.split("/")))
        return "/".join(way)

    def has(self, name: str) -> bool:
        return isinstance(self._nodes.get(self._walk(name)), Extent)

    def open(self, name: str) -> Extent:
        path = self._walk(name)
        node = self._nodes.get(path)
        if not isinstance(node, Extent):
            raise MissingMember(path)  # like Docker's, where the links end
        return node

    def folders(self) -> list[str]:
        """A folder counts whether it has an entry of its own or is only part of a name."""
        return sorted(
            {path.partition("/")[0] for path, node in self._nodes.items() if "/" in path or node is None}
            - {""}
        )

    def close(self) -> None:
        if self._owned:
            self._owned = False
            os.close(self._fd)


class FolderSource:
    """The files below a folder. Links may lead about in it, never out of it."""

    def __init__(self, path: str) -> None:
        """Raises MissingMember where there is no such folder."""
        self._root = os.path.realpath(path)
        if not os.path.isdir(self._root):
            raise MissingMember(path)

    def _open(self, name: str) -> int:
        path = os.path.join(self._root, name)
        try:
            # Not to wait for the writer of a FIFO.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as error:  # ValueError: no path can have such characters
            reason = error.strerror if isinstance(error, OSError) else "invalid argument"
            raise MissingMember(name, str(reason).lower()) from None
        # What was opened counts, not what the name led to a moment before.
        inside = os.readlink(f"/proc/self/fd/{fd}").startswith(f"{self._root.rstrip('/')}/")
        if inside and stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        raise MissingMember(name, "not a regular file" if inside else "it leads out of the folder")

    def has(self, name: str) -> bool:
        try:
            self.open(name).__exit__()
        except MissingMember:
            return False
        return True

    def open(self, name: str) -> Extent:
        fd = self._open(name)
        return Extent(fd, 0, os.fstat(fd).st_size, owned=True)

    def folders(self) -> list[str]:
        with os.scandir(self._root) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    def close(self) -> None:
        """Nothing stays open between calls."""


def open_layout_folder(path: str) -> FolderSource:
    """Return the files of an OCI layout, or an unpacked archive. Raises MissingMember."""
    return FolderSource(path)
