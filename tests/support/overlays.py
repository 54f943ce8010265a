"""Overlays mounted for a test, with the kernel's own tools, and layers applied by GNU tar."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OFF = "redirect_dir=off,metacopy=off,index=off"


class Overlay(NamedTuple):
    lower: str
    upper: str
    work: str
    merged: str


@contextmanager
def mounted(folder: str, options: str = OFF) -> Iterator[Overlay]:
    """Mount an overlay in `folder` over what its folder `lower` holds; unmount it in the end."""
    overlay = Overlay(*(os.path.join(folder, name) for name in Overlay._fields))
    for path in overlay:
        os.makedirs(path, exist_ok=True)
    places = f"lowerdir={overlay.lower},upperdir={overlay.upper},workdir={overlay.work}"
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", f"{places},{options}", overlay.merged], check=True
    )
    try:
        yield overlay
    finally:
        subprocess.run(["umount", overlay.merged], check=True)


@contextmanager
def merged_view(lower: str, place: str) -> Iterator[str]:
    """Mount folders, the uppermost first and two at the least, as one that cannot be changed."""
    os.makedirs(place)
    command = ["mount", "-t", "overlay", "overlay", "-o", f"ro,lowerdir={lower}", place]
    subprocess.run(command, check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def apply_layer(layer: Iterable[bytes], base: str) -> None:
    """Apply a layer to a plain tree: its whiteouts are carried out first, GNU tar unpacks the rest."""
    content = b"".join(layer)
    with tarfile.open(fileobj=io.BytesIO(content), errors="surrogateescape") as tar:
        listed = [f"{member.name}/" if member.isdir() else member.name for member in tar]
    for name in listed:
        parent, _, mark = name.rpartition("/")
        path = os.path.join(base, parent)
        if mark == ".wh..wh..opq":
            for below in os.listdir(path) if os.path.isdir(path) else ():
                _remove(os.path.join(path, below))
        elif mark.startswith(".wh."):
            _remove(os.path.join(path, mark.removeprefix(".wh.")))
        elif not name.endswith("/") or not _is_folder(os.path.join(base, name[:-1])):
            _remove(os.path.join(base, name.rstrip("/")))
    command = ["tar", "--extract", "--same-owner", "--preserve-permissions", "--xattrs", "--xattrs-include=*"]
    subprocess.run(
        [*command, "--exclude=.wh.*", "--directory", base], input=content, check=True, capture_output=True
    )


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _remove(path: str) -> None:
    if _is_folder(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def facts(root: str) -> dict[str, tuple[object, ...]]:
    """Return what a layer has to keep of each path: kind, mode, owner, content, time in seconds, links."""
    found: dict[str, tuple[object, ...]] = {}
    first: dict[int, str] = {}
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted([*folders, *files]):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content: object = status.st_rdev
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    content = file.read()
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            key = path.removeprefix(root)
            is_folder = stat.S_ISDIR(status.st_mode)
            same = "" if is_folder else first.setdefault(status.st_ino, key)
            time = int(status.st_mtime) if not is_folder else 0
            found[key] = (status.st_mode, status.st_uid, status.st_gid, content, time, same)
    return found
