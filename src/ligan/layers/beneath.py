"""Opening what is below a folder while others may change it, without ever leaving it.

A container can put a symbolic link where a folder was a moment ago. So every
folder is opened by its name in the one above, links refused; a path is never
handed to the kernel whole.
"""

from __future__ import annotations

import errno
import os
import stat
from posixpath import basename, dirname, normpath

from ligan.errors import Invalid, NotFound
from ligan.values import Value

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe may have come in its place

CHANGED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)
"""What opening says where a file or folder has gone, or become something else, since it was listed."""

_LINKS_MAX = 255  # as in Go's EvalSymlinks, by which Docker goes


class NoSuchPath(NotFound):
    """Nothing has that name. To Docker's words belongs the container's name, which the caller knows."""


class Place(Value):
    """What a path names inside a root: `path` leads there without a link, and is relative; "" is the root.

    `name` is what Docker calls it: how the path as given ends, so "." for "/etc/." and "/" for "/".
    """

    path: str
    name: str
    status: os.stat_result


class PathStatus(Value):
    """What `HEAD /containers/{id}/archive` tells: `mode` as Go's FileMode, `mtime` in nanoseconds.

    `link_target` is where a symbolic link leads to in the end, as an absolute path; "" for all else.
    """

    name: str
    size: int
    mode: int
    mtime: int
    link_target: str


def open_root(root: str) -> int:
    """Return a descriptor of the folder that a path of our own names: links in it are followed."""
    return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def open_folder(root: int, path: str = "") -> int:
    """Return a new descriptor of the folder at `path` below `root`; "" is the root itself.

    Raises OSError: one of CHANGED where a part of the path is not a folder.
    """
    folder = os.open(".", FOLDER, dir_fd=root)
    for part in path.split("/") if path else ():
        try:
            below = os.open(part, FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder


def resolve(root: int, path: str) -> str:
    """Return what `path` leads to, as a path without links below `root`: "etc/passwd", "" for the root.

    Links are followed as a process sees them that has `root` as its root.
    What is missing is not followed, and not an error. Raises OSError (ELOOP)
    for links that go in a circle.
    """
    done: list[str] = []
    ahead = path.split("/")[::-1]
    links = 0
    while ahead:
        part = ahead.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del done[-1:]
            continue
        target = _link_target(root, "/".join(done), part)
        if target is None:
            done.append(part)
            continue
        links += 1
        if links > _LINKS_MAX:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            done.clear()
        ahead.extend(target.split("/")[::-1])
    return "/".join(done)


def _link_target(root: int, parent: str, name: str) -> str | None:
    """Return what the link of that name says, None if there is no such link."""
    try:
        folder = open_folder(root, parent)
    except OSError as error:
        if error.errno in CHANGED:
            return None
        raise
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL):
            return None
        raise
    finally:
        os.close(folder)


def locate(root: int, path: str) -> Place:
    """Find what `path` names inside `root`, by Docker's rules.

    "a/../b" is "b", whatever a is. Links on the way are followed; one at the end is not, unless a
    slash or a dot comes after it. Raises NoSuchPath, or Invalid for a path that leads through a file.
    """
    shown = clean = normpath("/" + path.lstrip("/"))
    dot = basename(path.rstrip("/")) == "."
    end = "/" if path.endswith("/") else "/." if dot else ""
    if "\0" in path:
        raise Invalid(f"lstat {clean}: invalid argument")
    try:
        if end:
            below = resolve(root, clean)
        else:
            below = f"{resolve(root, dirname(clean))}/{basename(clean)}".strip("/")
        shown = f"/{below}{end}"
        folder = open_folder(root, dirname(below))
        try:
            status = os.stat(basename(below) or ".", dir_fd=folder, follow_symlinks=False)
        finally:
            os.close(folder)
        if end and not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise NoSuchPath(f"Could not find the file {path}") from error
        raise Invalid(f"lstat {shown}: {os.strerror(error.errno or 0).lower()}") from error
    return Place(below, "." if dot else basename(clean) or "/", status)


def path_status(root: str, path: str) -> PathStatus:
    """Return what Docker tells of a path inside the folder `root`. Raises what `locate` does."""
    top = open_root(root)
    try:
        place = locate(top, path)
        status = place.status
        is_link = stat.S_ISLNK(status.st_mode)
        target = f"/{resolve(top, place.path)}" if is_link else ""
        return PathStatus(place.name, status.st_size, _go_mode(status.st_mode), status.st_mtime_ns, target)
    finally:
        os.close(top)


_GO_TYPES = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
}
_GO_BITS = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}


def _go_mode(mode: int) -> int:
    """Return a mode as Go's os.FileMode has it."""
    special = sum(bit for unix, bit in _GO_BITS.items() if mode & unix)
    return _GO_TYPES.get(stat.S_IFMT(mode), 0) | special | mode & 0o777
