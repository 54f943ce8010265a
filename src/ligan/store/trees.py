"""Folders with all that is in them: removing and measuring, however deep and whatever their names.

Nothing is looked up by a path of more than one part, no link is followed, and no more than a few descriptors
are open at a time: what lies in these folders was put there by images and by what runs in containers.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str) -> None:
    """On return the folder is gone, and what was mounted in it is unmounted. It may be gone before.

    Folders that are not empty are moved up beside the first and emptied there, so that depth costs nothing.
    Several processes may do this at once.
    """
    try:
        os.rmdir(path)  # most are empty by now, and no places of mounts
    except FileNotFoundError:
        return
    except OSError:
        _remove_filled(path)


def _remove_filled(path: str) -> None:
    from ligan.store.mounts import unmount_below

    unmount_below(path)
    while True:
        try:
            top = os.open(path, _FOLDER)
        except FileNotFoundError:
            return
        try:
            _empty_all(top)
        finally:
            os.close(top)
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:  # another process has moved something up
                raise


def _empty_all(top: int) -> None:
    os.fchmod(top, 0o700)
    waiting = _empty(top, top)
    while waiting:
        name = waiting.pop()
        try:
            os.chmod(name, 0o700, dir_fd=top)  # without root, a folder of mode 0555 cannot be emptied
            folder = os.open(name, _FOLDER, dir_fd=top)
        except FileNotFoundError:
            continue
        try:
            waiting += _empty(folder, top)
        finally:
            os.close(folder)
        try:
            os.rmdir(name, dir_fd=top)
        except FileNotFoundError:
            pass


def _empty(folder: int, top: int) -> list[str]:
    """Unlink what is in a folder, and move its folders into `top`. Returns their names there."""
    moved = []
    for entry in list(os.scandir(folder)):
        try:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=folder)
            elif folder == top:
                moved.append(entry.name)
            else:
                moved.append(_move(entry.name, folder, top))
        except FileNotFoundError:
            pass  # another process was faster
    return moved


def _move(name: str, folder: int, top: int) -> str:
    """Move a folder into `top` by a name that nobody else has; returns it."""
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not status.st_mode & 0o200:
        os.chmod(name, 0o700, dir_fd=folder)  # its `..` changes, which needs the right to write
    new = f"{status.st_ino}-{os.urandom(6).hex()}"
    os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
    return new


def tree_size(path: str, changed_after: int | None = None) -> int:
    """Return the bytes of what is in the folder, as Docker's directory.Size: no folders, each inode once.

    With `changed_after` only what was changed after that time counts, in nanoseconds since 1970.
    """
    size = 0
    seen = set()
    for status in _statuses(path):
        if changed_after is not None and status.st_ctime_ns <= changed_after:
            continue
        if status.st_nlink > 1:
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        size += status.st_size
    return size


def _statuses(path: str) -> Iterator[os.stat_result]:
    """Yield the status of all below a folder that is not a folder. What goes meanwhile is left out."""
    folder = os.open(path, _FOLDER)
    try:
        ways = [(_identity(folder), (yield from _files(folder)))]
        while ways:
            names = ways[-1][1]
            if names:
                try:
                    folder = _moved(folder, names.pop())
                except (FileNotFoundError, NotADirectoryError):
                    continue
                ways.append((_identity(folder), (yield from _files(folder))))
                continue
            ways.pop()
            if ways:
                folder = _moved(folder, "..")
                if _identity(folder) != ways[-1][0]:
                    return  # what is walked is being moved about: its `..` may lead anywhere
    finally:
        os.close(folder)


def _files(folder: int) -> Generator[os.stat_result, None, list[str]]:
    """Yield the status of what is in a folder; returns the names of the folders in it."""
    names = []
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            names.append(entry.name)
            continue
        try:
            yield entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            pass
    return names


def _moved(folder: int, name: str) -> int:
    """Return a descriptor of a neighbouring folder, in exchange for the one given."""
    other = os.open(name, _FOLDER, dir_fd=folder)
    os.close(folder)
    return other


def _identity(folder: int) -> tuple[int, int]:
    status = os.fstat(folder)
    return status.st_dev, status.st_ino
