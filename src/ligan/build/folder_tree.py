"""The files of a folder of this machine: a context, or the mounted root of an image or a stage.

Every folder is opened by its name in the one above, so that whoever changes links meanwhile leads nobody out.
"""

from __future__ import annotations

import errno
import os
import stat

from ligan.build.sums import entry_sum
from ligan.build.trees import KINDS, NO_XATTRS, Entry, Tree, capability_of, sort_key, without
from ligan.errors import Unavailable
from ligan.images.source import Extent
from ligan.layers.attributes import CAPABILITY
from ligan.layers.beneath import CHANGED, FILE, open_folder, open_root
from ligan.layers.tar import BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, REGULAR, SYMLINK
from ligan.layers.tree_tar import owners_here, unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ligan.build.trees import Ignore

_CHUNK = 1 << 20
_GONE = (*CHANGED, errno.ENAMETOOLONG)


class FolderTree(Tree):
    """The tree below a folder. Owners bear the names that this machine has for them, as in Docker's sums.

    What `ignore` matches is left out, except for folders in which it leaves something. A folder is listed
    once, so that what is summed is what is copied. Raises Unavailable for what cannot be read.
    """

    owners_count = False

    def __init__(self, path: str, ignore: Ignore | None = None) -> None:
        self._path = path
        self._ignore = ignore
        self._owners: dict[tuple[int, int], tuple[str, str]] = {}
        self._listings: dict[str, list[Entry]] = {}
        try:
            self._root = open_root(path)
        except OSError as error:
            raise unreadable(error, path) from error
        # Files are mostly looked at one folder after the other, so the last one is kept open.
        self._last_path = ""
        self._last = os.dup(self._root)

    def close(self) -> None:
        if self._root >= 0:
            os.close(self._root)
            os.close(self._last)
            self._root = self._last = -1

    def entry(self, path: str) -> Entry | None:
        if path and "\0" in path:
            return None
        parent, _, base = path.rpartition("/")
        try:
            folder = self._folder(parent)
            entry = self._entry(folder, base or ".", path, os.lstat(base or ".", dir_fd=folder))
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise unreadable(error, self._path) from error
        if entry is None or not path or self._ignore is None or not self._ignore.matches(path):
            return entry
        return entry if entry.is_folder and self._leaves_something(path) else None

    def _leaves_something(self, path: str) -> bool:
        return any(True for below in self.walk(path) if below.path != path)

    def walk(self, path: str = "") -> Iterator[Entry]:
        top = self._entry_as_it_is(path)
        if top is None:
            return
        entries = self._walked(top)
        yield from entries if self._ignore is None else without(self._ignore, entries)

    def _walked(self, top: Entry) -> Iterator[Entry]:
        ahead = [top]
        while ahead:
            entry = ahead.pop()
            yield entry
            if entry.kind == DIRECTORY and not self._is_shut(entry.path):
                ahead.extend(self._listed(entry.path))

    def _is_shut(self, path: str) -> bool:
        """Return whether a folder is left out with all that is in it."""
        ignore = self._ignore
        return (
            ignore is not None
            and bool(path)
            and ignore.matches(path)
            and not ignore.may_hold_exceptions(path)
        )

    def _entry_as_it_is(self, path: str) -> Entry | None:
        ignore, self._ignore = self._ignore, None
        try:
            return self.entry(path)
        finally:
            self._ignore = ignore

    def _listed(self, path: str) -> list[Entry]:
        """Return what is in a folder, the last name first."""
        if path in self._listings:
            return self._listings[path]
        stem = f"{path}/" if path else ""
        found = []
        try:
            folder = self._folder(path)
            with os.scandir(folder) as listed:
                names = sorted([item.name for item in listed], key=sort_key, reverse=True)
            for name in names:
                try:
                    entry = self._entry(folder, name, stem + name, os.lstat(name, dir_fd=folder))
                except FileNotFoundError:
                    continue
                if entry is not None:
                    found.append(entry)
        except OSError as error:
            if error.errno in _GONE:
                return []
            raise unreadable(error, self._path) from error
        self._listings[path] = found
        return found

    def _entry(self, folder: int, base: str, path: str, status: os.stat_result) -> Entry | None:
        """Return the entry of what has that status; None for a socket."""
        kind = KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            return None
        owner = (status.st_uid, status.st_gid)
        names = self._owners.get(owner)
        if names is None:
            names = self._owners[owner] = owners_here(*owner)
        is_device = kind in (CHARACTER_DEVICE, BLOCK_DEVICE)
        return Entry(
            path,
            kind,
            stat.S_IMODE(status.st_mode),
            *owner,
            status.st_size if kind == REGULAR else 0,
            status.st_mtime_ns,
            os.readlink(base, dir_fd=folder) if kind == SYMLINK else "",
            os.major(status.st_rdev) if is_device else 0,
            os.minor(status.st_rdev) if is_device else 0,
            self._capability(folder, base) if kind == REGULAR else NO_XATTRS,
            *names,
            status.st_ino if status.st_nlink > 1 and kind != DIRECTORY else 0,
        )

    def _capability(self, folder: int, base: str) -> Mapping[str, bytes]:
        try:
            value = os.getxattr(f"/proc/self/fd/{folder}/{base}", CAPABILITY, follow_symlinks=False)
        except OSError:
            return NO_XATTRS
        return {CAPABILITY: capability_of(value)}

    def read(self, entry: Entry) -> Iterator[bytes]:
        with self.extent(entry) as extent:
            left = entry.size
            while left:
                data = os.read(extent.fd, min(left, _CHUNK))
                if not data:
                    raise Unavailable(f"cannot read {entry.path}: it became shorter meanwhile")
                left -= len(data)
                yield data

    def extent(self, entry: Entry) -> Extent:
        parent, _, base = entry.path.rpartition("/")
        try:
            file = os.open(base, FILE, dir_fd=self._folder(parent))
        except OSError as error:
            raise unreadable(error, self._path) from error
        return Extent(file, 0, entry.size, owned=True)

    def tarsum(self, entry: Entry) -> str:
        return entry_sum(self, entry)

    def missing_sum(self, path: str, target: str) -> str:
        return target

    def _folder(self, path: str) -> int:
        """Return a descriptor of a folder, open until the next call."""
        if path != self._last_path:
            folder = open_folder(self._root, path)
            os.close(self._last)
            self._last_path, self._last = path, folder
        return self._last
