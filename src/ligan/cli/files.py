"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager

from ligan.cli.output import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_SPECIAL = (
    (stat.S_ISDIR, "cannot write to a directory"),
    (stat.S_ISLNK, "cannot write to a symbolic link directly"),
    (stat.S_ISBLK, "cannot write to a block device file"),
    (stat.S_ISCHR, "cannot write to a character device file"),
    (stat.S_ISFIFO, "cannot write to a named pipe file"),
    (stat.S_ISSOCK, "cannot write to a socket file"),
)


@contextmanager
def new_file(path: str, complaint: str) -> Iterator[BinaryIO]:
    """Open a file that takes its name when the block ends well, durable; else nothing is left of it.

    Raises Failure, its words after `complaint`, where the path is none to write
    to; those of docker's save (golden e_save_load).
    """
    _check_destination(path, complaint)
    temporary = os.path.join(os.path.dirname(path), f".tmp-{os.path.basename(path)}{os.getpid()}")
    try:
        file = open(temporary, "xb", opener=_private)  # noqa: SIM115 - closed below, before the rename
    except OSError as error:
        raise Failure(f"{complaint}: {_reason('open', temporary, error)}") from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _check_destination(path: str, complaint: str) -> None:
    folder = os.path.dirname(path) or "."
    try:
        os.stat(folder)
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        if os.path.isdir(folder):
            return
        raise Failure(f"{complaint}: invalid output path: stat {folder}: no such file or directory") from None
    except OSError as error:
        raise Failure(f"{complaint}: invalid output path: {_reason('stat', folder, error)}") from None
    for is_kind, words in _SPECIAL:
        if is_kind(mode):
            raise Failure(f"{complaint}: {words}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _reason(call: str, path: str, error: OSError) -> str:
    """Return an error of the system in Go's form."""
    return f"{call} {path}: {(error.strerror or str(error)).lower()}"
