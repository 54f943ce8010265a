"""The layer that makes a folder: WORKDIR's."""

from __future__ import annotations

import os

from ligan.errors import Invalid
from ligan.layers import beneath
from ligan.layers.tar import DIRECTORY
from ligan.layers.tar_write import END, header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def folder_layer(root: str | None, path: str, time: int) -> list[bytes]:
    """Return the tar that makes a folder, and those above it, where they are not below `root`.

    Links are followed inside it. `time` is in seconds since 1970. Raises Invalid where something else is.
    """
    return [*_members(root, path, time), END]


def _members(root: str | None, path: str, time: int) -> Iterator[bytes]:
    parts = [part for part in path.split("/") if part]
    if root is None:
        for count in range(1, len(parts) + 1):
            yield _folder("/".join(parts[:count]), time)
        return
    top = beneath.open_root(root)
    try:
        at = ""
        for part in parts:
            at = beneath.resolve(top, f"{at}/{part}" if at else part)
            try:
                os.close(beneath.open_folder(top, at))
            except FileNotFoundError:
                yield _folder(at, time)
            except NotADirectoryError:
                raise Invalid(f"mkdir {path}: not a directory") from None
    finally:
        os.close(top)


def _folder(path: str, time: int) -> bytes:
    return header(f"{path}/", mtime=time, mode=0o755, type=DIRECTORY)
