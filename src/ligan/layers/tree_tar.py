"""A tree of files as a tar, as Docker's archiver writes it: for export, for cp, for the layer of a commit.

Members come in the order of Go's filepath.Walk: each folder before what is in
it, names by their bytes. Times are whole seconds. Of the extended attributes
only file capabilities are kept. Sockets are left out, as is what vanishes
while it is looked at; a file that changes its size meanwhile is cut, or filled
with zeros, to the size in its header.
"""

from __future__ import annotations

import errno
import os
import stat

from ligan.errors import Unavailable, Unsupported
from ligan.layers.attributes import CAPABILITY, is_whiteout, overlay_attribute
from ligan.layers.beneath import CHANGED, FILE, FOLDER, locate, open_folder, open_root, resolve
from ligan.layers.tar import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    XATTR,
)
from ligan.layers.tar_write import END, header, padding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Owners = Callable[[int, int], tuple[str, str]]

CHUNK = 1 << 20


_NO_RECORDS: Mapping[str, bytes] = {}
_DEVICES = (CHARACTER_DEVICE, BLOCK_DEVICE)
_OWNERS_READ = 1 << 20
"""Bytes read of a tree's /etc/passwd: a container could make it of any length."""
_OPEN_LEVELS = 64
"""Folders kept open at once: a tree may be deeper than a process may have files open."""

_TYPES = {
    stat.S_IFREG: REGULAR,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHARACTER_DEVICE,
    stat.S_IFBLK: BLOCK_DEVICE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFIFO: FIFO,
}


def export_tar(root: str) -> Iterator[bytes]:
    """Yield the tar of all that is below the folder `root`, as `docker export` has it.

    Raises Unavailable for what cannot be read.
    """
    top = open_root(root)
    try:
        yield from chunks(TreeTar(owners_inside(top)).below(top), root)
    finally:
        os.close(top)


def path_tar(root: str, path: str) -> Iterator[bytes]:
    """Yield the tar of what `path` names inside the folder `root`, as `docker cp` gets it.

    Members are named as the path ends: "etc/…" for /usr/../etc, "./…" for /etc/., "/…" for /.
    Raises what `locate` does; Unavailable for what cannot be read.
    """
    top = open_root(root)
    try:
        place = locate(top, path)
        tree = TreeTar(owners_inside(top))
        parent, _, base = place.path.rpartition("/")
        folder = open_folder(top, parent)
        try:
            yield from chunks(tree.whole(folder, base or ".", place.name), root)
        finally:
            os.close(folder)
    finally:
        os.close(top)


class TreeTar:
    """The members of one archive, as pieces of its bytes without its end.

    `owners` gives the names of a user and a group by their numbers. With
    `upper` the tree is the upper directory of an overlay: whiteouts and opaque
    folders are written as layers have them. Descriptors that are passed in
    stay the caller's.
    """

    def __init__(self, owners: Owners, *, upper: bool = False) -> None:
        self._owners = owners
        self._names: dict[tuple[int, int], tuple[str, str]] = {}
        self._upper = upper
        self._first_names: dict[tuple[int, int], str] = {}

    def whole(self, folder: int, base: str, name: str) -> Iterator[bytes]:
        """Yield what `base` is in an open folder, under another name, with all that is below it."""
        try:
            inside = os.open(base, FOLDER, dir_fd=folder)
        except OSError as error:
            if error.errno not in CHANGED:
                raise
            yield from self.single(folder, base, name)
            return
        try:
            stem = f"{name.rstrip('/')}/"
            yield from self._folder(inside, stem)
            yield from self.below(inside, stem)
        finally:
            os.close(inside)

    def below(self, root: int, stem: str = "") -> Iterator[bytes]:
        """Yield all that is below an open folder; names begin with `stem`."""
        levels = [_Level(open_folder(root), "")]
        try:
            while levels:
                level = levels[-1]
                if not level.entries:
                    levels.pop().close()
                    continue
                if level.folder < 0:
                    level.folder = open_folder(root, level.path)
                base, is_folder = level.entries.pop()
                path = f"{level.path}/{base}" if level.path else base
                if not is_folder:
                    yield from self.single(level.folder, base, stem + path)
                elif (inside := _open(base, FOLDER, level.folder)) is not None:
                    levels.append(_Level(inside, path))
                    yield from self._folder(inside, f"{stem}{path}/")
                    if len(levels) > _OPEN_LEVELS:
                        levels[-_OPEN_LEVELS].close()
        finally:
            for level in levels:
                level.close()

    def single(self, folder: int, base: str, name: str) -> Iterator[bytes]:
        """Yield what `base` is in an open folder, under another name, without what is below it."""
        try:
            status = os.stat(base, dir_fd=folder, follow_symlinks=False)
            kind = stat.S_IFMT(status.st_mode)
            target = os.readlink(base, dir_fd=folder) if kind == stat.S_IFLNK else ""
        except OSError as error:
            if error.errno in (*CHANGED, errno.EINVAL):
                return
            raise
        if kind == stat.S_IFREG:
            yield from self._file(folder, base, name, status)
        elif kind == stat.S_IFDIR:
            if (inside := _open(base, FOLDER, folder)) is not None:
                try:
                    yield from self._folder(inside, f"{name}/")
                finally:
                    os.close(inside)
        elif self._upper and is_whiteout(status):
            yield self._whiteout(name, status)
        elif kind in _TYPES:
            first = self._first_name(name, status)
            yield self._header(name, status, HARD_LINK if first else _TYPES[kind], first or target)

    def _file(self, folder: int, base: str, name: str, status: os.stat_result) -> Iterator[bytes]:
        file = _open(base, FILE, folder)
        if file is None:
            return
        try:
            attributes = os.listxattr(file)
            if self._upper:
                _refuse_references(attributes, name)
            records = _capability(file) if CAPABILITY in attributes else _NO_RECORDS
            if first := self._first_name(name, status):
                yield self._header(name, status, HARD_LINK, first, records)
            else:
                yield self._header(name, status, REGULAR, "", records, size=status.st_size)
                yield from _content(file, status.st_size)
        finally:
            os.close(file)

    def _folder(self, folder: int, name: str) -> Iterator[bytes]:
        """Yield an open folder, and the marker that hides what lower layers have in it."""
        status = os.fstat(folder)
        yield self._header(name, status, DIRECTORY)
        if self._upper and is_opaque(folder, name):
            mode = status.st_mode & 0o777
            yield self._header(f"{name}.wh..wh..opq", status, REGULAR, mode=mode, mtime=0)

    def _whiteout(self, name: str, status: os.stat_result) -> bytes:
        # The kernel links the whiteouts of an upper directory to each other. Docker looks for hard links
        # before it makes files of them, so that the first one's name stays behind in all others.
        parent, slash, base = name.rpartition("/")
        first = self._first_name(name, status)
        return self._header(f"{parent}{slash}.wh.{base}", status, REGULAR, first, mode=0o600)

    def _first_name(self, name: str, status: os.stat_result) -> str:
        """Return the name under which that inode is in the archive already, "" if it is not."""
        if status.st_nlink < 2:
            return ""
        first = self._first_names.setdefault((status.st_dev, status.st_ino), name)
        return "" if first == name else first

    def _header(
        self,
        name: str,
        status: os.stat_result,
        kind: str,
        linkname: str = "",
        records: Mapping[str, bytes] = _NO_RECORDS,
        *,
        size: int = 0,
        mode: int | None = None,
        mtime: int | None = None,
    ) -> bytes:
        """Return the header of what has that status, but for what is given apart."""
        ids = (status.st_uid, status.st_gid)
        owners = self._names.get(ids)
        if owners is None:
            owners = self._names[ids] = self._owners(*ids)
        device = status.st_rdev if kind in _DEVICES else 0
        return header(
            name,
            size,
            status.st_mtime_ns // 1_000_000_000 if mtime is None else mtime,
            status.st_mode if mode is None else mode,
            kind,
            *ids,
            linkname,
            uname=owners[0],
            gname=owners[1],
            devmajor=os.major(device),
            devminor=os.minor(device),
            records=records,
        )


class _Level:
    """A folder that is being gone through; `entries` are (name, is it a folder), last first."""

    __slots__ = ("entries", "folder", "path")

    def __init__(self, folder: int, path: str) -> None:
        self.folder = folder
        self.path = path
        with os.scandir(folder) as entries:
            self.entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        self.entries.sort(key=lambda entry: os.fsencode(entry[0]), reverse=True)

    def close(self) -> None:
        if self.folder >= 0:
            os.close(self.folder)
            self.folder = -1


def chunks(pieces: Iterable[bytes], what: str) -> Iterator[bytes]:
    """Yield the pieces of an archive, then its end, in chunks of a megabyte and more.

    Raises Unavailable, with `what` was read, where the system refuses to read it.
    """
    gathered: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            gathered.append(piece)
            size += len(piece)
            if size >= CHUNK:
                yield b"".join(gathered)
                gathered.clear()
                size = 0
    except OSError as error:
        raise unreadable(error, what) from error
    yield b"".join(gathered) + END


def unreadable(error: OSError, what: str) -> Unavailable:
    """Return the error for a tree that the system refuses to read."""
    name = f" ({os.fsdecode(error.filename)})" if error.filename else ""
    return Unavailable(f"cannot read {what}: {(error.strerror or str(error)).lower()}{name}")


def owners_here(uid: int, gid: int) -> tuple[str, str]:
    """Return the names that this machine has for a user and a group, "" where it has none."""
    import grp
    import pwd

    try:
        uname = pwd.getpwuid(uid).pw_name
    except KeyError:
        uname = ""
    try:
        return uname, grp.getgrgid(gid).gr_name
    except KeyError:
        return uname, ""


def owners_inside(root: int) -> Owners:
    """Return a lookup of the names that the tree's own /etc/passwd and /etc/group have."""
    users = _names_in(root, "etc/passwd")
    groups = _names_in(root, "etc/group")
    return lambda uid, gid: (users.get(uid, ""), groups.get(gid, ""))


def _names_in(root: int, path: str) -> dict[int, str]:
    """Return number -> name of a file like /etc/passwd; of a number that comes twice, the first."""
    try:
        parent, _, base = resolve(root, path).rpartition("/")
        folder = open_folder(root, parent)
        try:
            file = os.open(base, FILE, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError:  # whatever is there is no such file: Docker then writes no names either
        return {}
    try:
        text = os.read(file, _OWNERS_READ) if stat.S_ISREG(os.fstat(file).st_mode) else b""
    finally:
        os.close(file)
    names: dict[int, str] = {}
    for line in text.decode("utf-8", "surrogateescape").split("\n"):
        fields = line.split(":")
        if len(fields) >= 3 and len(fields[2]) <= 10 and fields[2].isascii() and fields[2].isdigit():
            names.setdefault(int(fields[2]), fields[0])
    return names


def is_opaque(folder: int, name: str) -> bool:
    """Tell whether an open folder of an overlay's upper directory hides what lower layers have in it.

    Raises Unsupported where it takes the place of a folder of another name.
    """
    attributes = os.listxattr(folder)
    _refuse_references(attributes, name)
    if not attributes:
        return False
    opaque = overlay_attribute("opaque")
    return opaque in attributes and os.getxattr(folder, opaque) == b"y"


def _refuse_references(attributes: list[str], name: str) -> None:
    """Raise Unsupported for what has its content in a lower layer, under another name or without a copy."""
    if not attributes:
        return
    elsewhere = (overlay_attribute("redirect"), overlay_attribute("metacopy"))
    for attribute in attributes:
        if attribute in elsewhere:
            raise Unsupported(
                f"{name} has the attribute {attribute}: its content is not in the overlay's upper directory",
                "Overlays must be mounted with redirect_dir=off,metacopy=off.",
            )


def _capability(file: int) -> dict[str, bytes]:
    """Return the record of a file's capabilities."""
    value = os.getxattr(file, CAPABILITY)
    if value[3] == 3:
        # Revision 3 adds the user that is root in a namespace; outside of it, and so in a layer, that is
        # of no use. Docker writes revision 2, five words long, instead.
        value = value[:3] + b"\2" + value[4:20]
    return {XATTR + CAPABILITY: value}


def _content(file: int, size: int) -> Iterator[bytes]:
    """Yield exactly `size` bytes of a file, and what fills its last block."""
    left = size
    while left:
        data = os.read(file, min(left, CHUNK)) or bytes(min(left, CHUNK))
        left -= len(data)
        yield data
    yield padding(size)


def _open(name: str, flags: int, folder: int) -> int | None:
    """Open what was listed in a folder a moment ago; None if that has gone or changed its kind."""
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in CHANGED:
            return None
        raise
