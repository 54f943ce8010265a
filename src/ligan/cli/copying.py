"""`cp`: files between a container and this machine, by the rules of docker's client.

Which name a copy gets depends on how both paths end, and on what is there (docker 28,
cli/command/container/cp.go; moby, pkg/archive/copy.go).
"""

from __future__ import annotations

import io
import os
import stat
import sys
from posixpath import normpath

from ligan.cli.commands import DAEMON
from ligan.cli.output import Failure, flush, write_error
from ligan.errors import LiganError
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ligan.engine.role import Engine

_GO_FOLDER, _GO_LINK, _GO_DEVICE = 1 << 31, 1 << 27, 1 << 26
_LINKS_MAX = 10


class _End(Value):
    """One end of a copy. `rebased` is the name that it was typed by, where a link led elsewhere."""

    path: str
    is_there: bool = False
    is_folder: bool = False
    rebased: str = ""


def copy(engine: Engine, source: str, target: str, *, follow: bool, quiet: bool) -> None:
    """Copy; unless `quiet`, say how much. Raises Failure in docker's words, and what the engine raises."""
    source_container, source_path = _parts(source)
    target_container, target_path = _parts(target)
    if source_container and not source_path:
        raise Failure(f"{DAEMON}bad parameter: 'path' cannot be empty")
    if source_container and target_container:
        raise Failure("copying between containers is not supported")
    if source_container:
        _copy_out(engine, source_container, source_path, target_path, follow=follow, quiet=quiet)
    elif target_container:
        if not target_path:
            raise Failure("no such directory")
        _copy_in(engine, target_container, source_path, target_path, follow=follow, quiet=quiet)
    else:
        raise Failure("must specify at least one container source")


def _parts(argument: str) -> tuple[str, str]:
    """Return container and path; of a path of this machine the container is empty."""
    container, colon, path = argument.partition(":")
    if argument.startswith(("/", ".")) or not colon:
        return "", argument
    return container, path


def _names_folder_itself(path: str) -> bool:
    return path.rpartition("/")[2] == "."


def _split(path: str) -> tuple[str, str]:
    """Return folder and name of a path; the name of what ends in a dot is the dot."""
    clean = normpath(path)
    if _names_folder_itself(path):
        clean += "/."
    folder, _, name = clean.rpartition("/")
    return folder or ("/" if clean.startswith("/") else "."), name or "/"


def _absolute(path: str) -> str:
    """Return the path from the root on, with the slash or dot at its end."""
    whole = os.path.abspath(path)
    if _names_folder_itself(path):
        return f"{whole.rstrip('/')}/."
    return f"{whole.rstrip('/')}/" if path.endswith("/") else whole


def _prepare(source: _End, target: _End) -> tuple[str, str]:
    """Return the folder that a copy goes to, and its name there; no name where it keeps its own."""
    folder, name = _split(target.path)
    if target.is_there and target.is_folder:
        return target.path, source.rebased
    if target.is_there and source.is_folder:
        raise Failure("cannot copy directory")
    if not target.is_there and not source.is_folder and target.path.endswith(("/", "/.")):
        raise Failure("no such directory")
    return folder, name


def _tell(quiet: bool, size: int, where: str) -> None:
    from ligan.cli.units import human_size

    if not quiet:
        write_error(f"Successfully copied {human_size(size)} to {where}\n")


def _copy_out(engine: Engine, container: str, path: str, target: str, *, follow: bool, quiet: bool) -> None:
    from tempfile import TemporaryFile

    rebased = ""
    if follow:
        path, rebased = _followed(engine, container, path)
    if target == "-":
        flush()
        engine.copy_from_container(container, path, sys.stdout.buffer)
        return
    place = _target_here(_absolute(target))
    # The copy of a folder that cannot be made must leave nothing: all of it is read first.
    with TemporaryFile(dir=place.path if place.is_folder else _split(place.path)[0]) as spool:
        status = engine.copy_from_container(container, path, spool)
        spool.flush()
        source = _End(path, True, bool(status["mode"] & _GO_FOLDER), rebased)
        folder, name = _prepare(source, place)
        _unpack(spool.fileno(), folder, status["name"], name)
        _tell(quiet, spool.tell(), target)


def _unpack(tar: int, folder: str, own: str, name: str) -> None:
    """Unpack a copy into a folder of this machine; with a `name` what was called `own` is called that."""
    from ligan.layers.unpack import unpack_archive

    old = "" if own == "/" else own
    rename: Callable[[str], str] | None = None
    if name and name != own:

        def rename(member: str) -> str:
            return member.replace(old, name, 1) if old else f"{name}/{member.lstrip('/')}"

    whole = os.path.realpath(folder)
    try:
        unpack_archive(
            tar, "/", whole.strip("/"), keep_kinds=True, owner=(os.geteuid(), os.getegid()), rename=rename
        )
    except OSError as error:
        raise Failure(f"open {folder}: {(error.strerror or str(error)).lower()}") from None


def _followed(engine: Engine, container: str, path: str) -> tuple[str, str]:
    """Return what a link in a container leads to, and the name that it was typed by."""
    try:
        status = engine.stat_in_container(container, path)
    except LiganError:
        return path, ""  # reading it will tell
    if not status["mode"] & _GO_LINK:
        return path, ""
    return _rebase(path, _beside(path, status["linkTarget"]))


def _beside(path: str, link: str) -> str:
    """Return where a link at `path` leads."""
    return link if link.startswith("/") else f"{_split(path)[0]}/{link}"


def _rebase(path: str, resolved: str) -> tuple[str, str]:
    """Return what a path leads to, ending as the path does, and the path's name where that is another."""
    if _names_folder_itself(path) and not _names_folder_itself(resolved):
        resolved += "/."
    if path.endswith("/") and not resolved.endswith("/"):
        resolved += "/"
    name = os.path.basename(path.rstrip("/"))
    return resolved, name if name != os.path.basename(resolved.rstrip("/")) else ""


def _target_here(path: str) -> _End:
    """Return the end of a copy on this machine, links followed. Raises Failure where it cannot be there."""
    shown = path
    for _ in range(_LINKS_MAX):
        bare = path if path == "/" else path.rstrip("/")
        if not os.path.islink(bare):
            break
        path = _beside(bare, os.readlink(bare))
    else:
        raise Failure(f"too many symlinks in {shown}")
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return _new_here(path)
    except OSError as error:
        raise Failure(f"stat {path}: {(error.strerror or str(error)).lower()}") from None
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise Failure(f'invalid output path: "{shown}" must be a directory or a regular file: got a device')
    return _End(path, True, stat.S_ISDIR(mode))


def _new_here(path: str) -> _End:
    folder = _split(path)[0]
    try:
        mode = os.stat(folder).st_mode
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(
            f'invalid output path: directory "{folder}" does not exist'
            if isinstance(error, FileNotFoundError)
            else f"stat {folder}: {reason}"
        ) from None
    if not stat.S_ISDIR(mode):
        raise Failure("not a directory")
    return _End(path)


def _copy_in(engine: Engine, container: str, path: str, target: str, *, follow: bool, quiet: bool) -> None:
    place = _target_inside(engine, container, target)
    if path == "-":
        if not place.is_folder:
            raise Failure(f'destination "{container}:{target}" must be a directory')
        engine.copy_to_container(container, place.path, sys.stdin.buffer, no_overwrite_dir_non_dir=True)
        return
    source = _source_here(_absolute(path), follow=follow)
    folder, name = _prepare(source, place)
    content = _Chunks(_tar_of(source.path, name))
    try:
        engine.copy_to_container(
            container,
            folder,
            io.BufferedReader(content),
            no_overwrite_dir_non_dir=True,
        )
    finally:
        content.close()
    _tell(quiet, content.size, f"{container}:{place.path}")


def _target_inside(engine: Engine, container: str, path: str) -> _End:
    """Return the end of a copy inside a container. What is wrong with it, writing will tell."""
    place = path
    try:
        status = engine.stat_in_container(container, path)
        if status["mode"] & _GO_LINK:
            place = _beside(path, status["linkTarget"])
            status = engine.stat_in_container(container, place)
    except LiganError:
        return _End(place)
    mode = status["mode"]
    if mode & _GO_DEVICE:
        raise Failure(f'destination "{container}:{path}" must be a directory or a regular file: got a device')
    return _End(place, True, bool(mode & _GO_FOLDER))


def _source_here(path: str, *, follow: bool) -> _End:
    """Return the end of a copy on this machine; a link at its end is followed only with `follow`."""
    try:
        if follow:
            resolved, rebased = _rebase(path, os.path.realpath(path, strict=True))
        else:
            # A link before a slash is one on the way.
            folder, _, name = path.rpartition("/")
            resolved = f"{os.path.realpath(folder or '/', strict=True).rstrip('/')}/{name}"
            rebased = _rebase(path, resolved)[1] if path.endswith("/") else ""
        mode = os.lstat(resolved).st_mode
    except OSError as error:
        raise Failure(f"lstat {error.filename}: {(error.strerror or str(error)).lower()}") from None
    return _End(resolved, True, stat.S_ISDIR(mode), rebased)


def _tar_of(path: str, name: str) -> Iterator[bytes]:
    """Yield the tar of a path of this machine, its first member called `name`, or as it is."""
    from ligan.layers.beneath import open_root
    from ligan.layers.tree_tar import TreeTar, chunks, owners_here

    folder, base = _split(path)
    top = open_root(folder)
    try:
        yield from chunks(TreeTar(owners_here).whole(top, base, name or base), path)
    finally:
        os.close(top)


class _Chunks(io.RawIOBase):
    """A stream of what an iterator yields; `size` is how many bytes it was."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left:
            self._left = next(self._chunks, b"")
            self.size += len(self._left)
        taken = self._left[: len(buffer)]
        buffer[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)
