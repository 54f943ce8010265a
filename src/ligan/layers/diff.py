"""What a container changed, as `docker diff` shows it and as the layer of a commit.

There are two ways to know. An overlay keeps the changes apart, in its upper
directory; the layers below are looked at only where both have a name. Of two
plain trees (the vfs driver) all is compared. What was before is told by a
`Stack` or a `Tree`, so that it need not be mounted.

To Docker a thing has changed when its kind, mode, owner, device number or
capabilities differ, or, unless it is a folder, its size or time. A folder in
which something changed counts as modified. What was opened for writing and
left as it was is part of the layer, and is not shown.

Changes are kinds by path: a dictionary, as there may be many thousands. Paths begin with a slash.
"""

from __future__ import annotations

import os
import stat

from ligan.layers.attributes import CAPABILITY, attribute, is_whiteout
from ligan.layers.beneath import CHANGED, open_folder, open_root
from ligan.layers.tar_write import header
from ligan.layers.tree_tar import (
    TreeTar,
    chunks,
    is_opaque,
    owners_here,
    unreadable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ligan.layers.stack import Stack, Tree

MODIFIED, ADDED, DELETED = KINDS = ("C", "A", "D")
"""In the order of their numbers in the Engine API."""


def overlay_changes(upper: str, lower: Stack | Tree) -> dict[str, str]:
    """Return what the upper directory of an overlay changes of `lower`, the layers below it as one tree.

    Each folder comes before what is in it, names by their bytes. (Docker's order is that of a Go map,
    another one each time.) Raises Unavailable for what cannot be read, Unsupported for an overlay that
    was mounted with redirect_dir.
    """
    return _changes(upper, lower, overlay=True)


def tree_changes(new: str, old: Stack | Tree) -> dict[str, str]:
    """Return what differs between two whole trees, in the order of `overlay_changes`.

    Raises Unavailable for what cannot be read.
    """
    return _changes(new, old, overlay=False)


def overlay_layer(upper: str) -> Iterator[bytes]:
    """Yield the layer that the upper directory of an overlay is, as a tar: the bytes that Docker commits.

    An empty directory gives Docker's empty layer. Owners bear the names that this machine has for them,
    as Docker's do. Raises Unavailable for what cannot be read, Unsupported for an overlay that was
    mounted with redirect_dir or metacopy.
    """
    root = _open_tree(upper)
    try:
        yield from chunks(TreeTar(owners_here, upper=True).below(root), upper)
    finally:
        os.close(root)


def tree_layer(new: str, changes: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the layer that holds these changes, which `tree_changes` found in `new`, as a tar.

    Members are in the order of Docker's vfs driver: by their whole path. Its whiteouts bear the time of
    the commit; here they bear none, so that the same changes are the same layer. Raises Unavailable for
    what cannot be read.
    """
    root = _open_tree(new)
    try:
        yield from chunks(_members(root, changes), new)
    finally:
        os.close(root)


def upper_size(upper: str) -> int:
    """Return the bytes that `docker ps --size` shows: those of each file in the upper directory, once."""
    sizes: dict[tuple[int, int], int] = {}
    root = _open_tree(upper)
    try:
        pending = [""]
        while pending:
            path = pending.pop()
            folder = _open_folder(root, path)
            if folder is None:
                continue
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(f"{path}/{entry.name}")
                        elif (status := _status(folder, entry.name)) is not None:
                            sizes[status.st_dev, status.st_ino] = status.st_size
            finally:
                os.close(folder)
    except OSError as error:
        raise unreadable(error, upper) from error
    finally:
        os.close(root)
    return sum(sizes.values())


def changes_size(new: str, changes: Mapping[str, str]) -> int:
    """Return the bytes of what was modified or added in `new`, counted as `upper_size` does."""
    sizes: dict[tuple[int, int], int] = {}
    root = _open_tree(new)
    try:
        for path, folder, base in _with_folders(root, changes):
            status = _status(folder, base) if changes[path] != DELETED else None
            if status is not None and not stat.S_ISDIR(status.st_mode):
                sizes[status.st_dev, status.st_ino] = status.st_size
    except OSError as error:
        raise unreadable(error, new) from error
    finally:
        os.close(root)
    return sum(sizes.values())


def _members(root: int, changes: Mapping[str, str]) -> Iterator[bytes]:
    tree = TreeTar(owners_here)
    for path, folder, base in _with_folders(root, sorted(changes, key=os.fsencode)):
        name = path[1:]
        if changes[path] == DELETED:
            yield header(f"{name[: -len(base)]}.wh.{base}", mode=0)
        else:
            yield from tree.single(folder, base, name)


def _with_folders(root: int, paths: Iterable[str]) -> Iterator[tuple[str, int, str]]:
    """Yield each path with the open folder it is in and its name there, but for folders that have gone."""
    opened, folder = "", open_folder(root)
    try:
        for path in paths:
            parent, _, base = path.rpartition("/")
            if parent != opened:
                other = _open_folder(root, parent)
                if other is None:
                    continue
                os.close(folder)
                opened, folder = parent, other
            yield path, folder, base
    finally:
        os.close(folder)


def _changes(new: str, old: Stack | Tree, *, overlay: bool) -> dict[str, str]:
    root = _open_tree(new)
    try:
        return _in_order(_Comparison(root, old, overlay=overlay).run())
    except OSError as error:
        raise unreadable(error, new) from error
    finally:
        os.close(root)


def _in_order(folders: Mapping[str, dict[str, str]]) -> dict[str, str]:
    """Put what has changed in each folder together: paths by their bytes, a folder before what is in it."""
    whole: dict[str, str] = {}
    waiting = [iter([""])]
    while waiting:
        path = next(waiting[-1], None)
        if path is None:
            waiting.pop()
            continue
        if path:
            whole[path] = folders[path.rpartition("/")[0]][path]
        kinds = folders.get(path, {})
        if kinds.keys().isdisjoint(folders):  # the most of them, by a long way
            whole.update(_sorted(kinds))
        else:
            waiting.append(iter(_sorted(kinds)))
    return whole


def _sorted(kinds: dict[str, str]) -> dict[str, str]:
    is_ascii = "".join(kinds).isascii()
    in_order = sorted(kinds) if is_ascii else sorted(kinds, key=os.fsencode)
    return kinds if in_order == list(kinds) else {path: kinds[path] for path in in_order}


class _Comparison:
    """One walk over a tree, beside an old one that nobody changes."""

    def __init__(self, root: int, old: Stack | Tree, *, overlay: bool) -> None:
        self._root = root
        self._old = old
        self._overlay = overlay
        self._changed: dict[str, dict[str, str]] = {}
        self._pending: list[tuple[str, bool, bool]] = []

    def run(self) -> dict[str, dict[str, str]]:
        """Return, by folder, the kinds of change of what changed in it, or is a folder above such a path."""
        # A path, whether the old tree has a folder there too, whether that one's content shows through.
        self._pending = [("", True, self._overlay)]
        while self._pending:
            path, was_folder, shows = self._pending.pop()
            folder = _open_folder(self._root, path)
            if folder is None:
                continue
            try:
                if self._overlay and is_opaque(folder, path):
                    shows = False
                kinds = self._folder(folder, path, was_folder, shows)
            finally:
                os.close(folder)
            if kinds:
                self._changed[path] = kinds
                self._mark(path)
        return self._changed

    def _mark(self, path: str) -> None:
        """Count a folder in which something changed as modified, and those above it."""
        while path:
            parent = path.rpartition("/")[0]
            kinds = self._changed.setdefault(parent, {})
            if path in kinds:
                return
            kinds[path] = MODIFIED
            path = parent

    def _folder(self, folder: int, path: str, was_folder: bool, shows: bool) -> dict[str, str]:
        """Look at all that is in an open folder. Returns the kinds of what changed."""
        with os.scandir(folder) as entries:
            found = list(entries)
        gone: set[str] = set()
        if was_folder:
            # Where the old content shows through, what is not here is as it was.
            old = self._old
            gone = old.names_among(path, [entry.name for entry in found]) if shows else old.names(path)
        new = [entry for entry in found if entry.name not in gone] if gone else found
        # Files are many: they cost a call and a sum each, and no more.
        files = [entry.name for entry in new if entry.is_file(follow_symlinks=False)]
        files.sort()
        below = f"{path}/"
        kinds = dict.fromkeys([below + name for name in files], ADDED)
        if len(files) < len(new):
            self._others(folder, path, new, kinds)
        for name in [entry.name for entry in found if entry.name in gone] if gone else ():
            gone.remove(name)
            self._compare(folder, below + name, name, shows, kinds)
        if not shows:
            kinds.update((below + name, DELETED) for name in gone)
        return kinds

    def _others(self, folder: int, path: str, new: Iterable[os.DirEntry[str]], kinds: dict[str, str]) -> None:
        """Add what is new and no file; no whiteouts: what they stand for was made and removed again."""
        for entry in new:
            below = f"{path}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                kinds[below] = ADDED
                self._pending.append((below, False, False))
            elif not entry.is_file(follow_symlinks=False):
                status = _status(folder, entry.name)
                if status is not None and not (self._overlay and is_whiteout(status)):
                    kinds[below] = ADDED

    def _compare(self, folder: int, path: str, name: str, shows: bool, kinds: dict[str, str]) -> None:
        """Compare what both trees have at `path`."""
        new = _status(folder, name)
        before = self._old.find(path)
        old = before.status
        if new is None or (self._overlay and is_whiteout(new)):
            kinds[path] = DELETED
            return
        was_folder = stat.S_ISDIR(old.st_mode)
        if _differ(new, old) or (
            stat.S_ISREG(new.st_mode)
            and attribute(f"/proc/self/fd/{folder}/{name}", CAPABILITY) != before.capability
        ):
            kinds[path] = MODIFIED
        if stat.S_ISDIR(new.st_mode):
            self._pending.append((path, was_folder, shows))
        elif was_folder and new.st_mode & stat.S_IFDIR:
            below = [f"{path}/{name}" for name in self._old.names(path)]
            if below:
                self._changed[path] = dict.fromkeys(below, DELETED)


def _differ(new: os.stat_result, old: os.stat_result) -> bool:
    if (new.st_mode, new.st_uid, new.st_gid, new.st_rdev) != (
        old.st_mode,
        old.st_uid,
        old.st_gid,
        old.st_rdev,
    ):
        return True
    # Docker tests the bit that folders share with sockets and block devices, and so takes these for folders.
    if new.st_mode & stat.S_IFDIR:
        return False
    return new.st_size != old.st_size or not _same_time(new.st_mtime_ns, old.st_mtime_ns)


def _same_time(new: int, old: int) -> bool:
    """Compare times in nanoseconds; one of whole seconds may have lost its fraction in a layer's tar."""
    seconds, fraction = divmod(new, 1_000_000_000)
    old_seconds, old_fraction = divmod(old, 1_000_000_000)
    return seconds == old_seconds and (fraction == old_fraction or not fraction or not old_fraction)


def _open_tree(path: str) -> int:
    try:
        return open_root(path)
    except OSError as error:
        raise unreadable(error, path) from error


def _open_folder(root: int, path: str) -> int | None:
    """Open a folder whose path begins with a slash; None if it has gone since it was listed."""
    try:
        return open_folder(root, path[1:])
    except OSError as error:
        if error.errno in CHANGED:
            return None
        raise


def _status(folder: int, name: str) -> os.stat_result | None:
    """Return what the kernel tells of a name in an open folder; None if it has gone since it was listed."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
