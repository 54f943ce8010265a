"""Layers as one tree, as overlay shows them, told without mounting anything.

What a container changed is compared with what is below it. To mount that takes the kernel a third of a
millisecond for each layer and as long again to take it away, more than all the rest of a comparison.
Source of the rules: the kernel's Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
"""

from __future__ import annotations

import errno
import os
import stat

from ligan.layers.attributes import CAPABILITY, attribute, is_whiteout, overlay_attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Protocol

    class Node(Protocol):
        """What one layer has at a path. What it tells is of this layer alone."""

        @property
        def status(self) -> os.stat_result:
            """What lstat(2) would tell: mode, owner, device number, size and time of change at least."""

        @property
        def capability(self) -> bytes:
            """The attribute security.capability; empty where there is none."""

        @property
        def is_opaque(self) -> bool:
            """Whether it is a folder that hides what lower layers have in it."""

        def names(self) -> dict[str, bool]:
            """Return the names in a folder, and whether each is a whiteout."""

        def find(self, name: str) -> Node | None:
            """Return what a folder has under a name, whiteouts too."""


_FEW = 100
"""As many names are looked for one by one in less time than it takes to list a large folder."""


class FolderNode:
    """A Node of a layer that is unpacked. Nobody may change the layer meanwhile."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.status = os.lstat(path)

    @property
    def capability(self) -> bytes:
        return attribute(self._path, CAPABILITY)

    @property
    def is_opaque(self) -> bool:
        # Most folders have no attribute at all: then the name of this one need not be found out.
        if not os.listxattr(self._path, follow_symlinks=False):
            return False
        return attribute(self._path, overlay_attribute("opaque")) == b"y"

    def names(self) -> dict[str, bool]:
        with os.scandir(self._path) as entries:
            return {entry.name: _is_whiteout(entry) for entry in entries}

    def find(self, name: str) -> FolderNode | None:
        try:
            return FolderNode(f"{self._path}/{name}")
        except FileNotFoundError:
            return None


def _is_whiteout(entry: os.DirEntry[str]) -> bool:
    if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False) or entry.is_symlink():
        return False
    return is_whiteout(entry.stat(follow_symlinks=False))


class Stack:
    """The tree that layers show, given by their roots, the uppermost first. Paths begin with a slash."""

    def __init__(self, roots: Sequence[Node]) -> None:
        # The folders on the way to the last one that was asked for: a walk asks for what is near.
        self._way: list[str] = []
        self._folders: list[Sequence[Node]] = [roots]

    def names(self, path: str) -> set[str]:
        """Return the names in the folder at a path; "" is the root."""
        shown: dict[str, bool] = {}
        for folder in reversed(self._at(path)):
            shown |= folder.names()
        return {name for name, is_gone in shown.items() if not is_gone}

    def names_among(self, path: str, names: Collection[str]) -> set[str]:
        """Return those of these names that are in the folder at a path; of few, without listing it."""
        if len(names) > _FEW:
            return self.names(path).intersection(names)
        folders = self._at(path)
        return {name for name in names if _shown(folders, name) is not None}

    def find(self, path: str) -> Node:
        """Return what is at a path that is there. Raises FileNotFoundError where nothing is."""
        parent, _, name = path.rpartition("/")
        node = _shown(self._at(parent), name)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return node

    def _at(self, path: str) -> Sequence[Node]:
        """Return the layers' folders that the folder at a path is made of, the uppermost first."""
        names = path.split("/")[1:]
        same = 0
        while same < len(names) and same < len(self._way) and names[same] == self._way[same]:
            same += 1
        del self._folders[same + 1 :]
        for name in names[same:]:
            self._folders.append(_merged(self._folders[-1], name))
        self._way = names
        return self._folders[-1]


def _shown(folders: Sequence[Node], name: str) -> Node | None:
    for folder in folders:
        node = folder.find(name)
        if node is not None:
            return None if is_whiteout(node.status) else node
    return None


def _merged(folders: Sequence[Node], name: str) -> Sequence[Node]:
    found: list[Node] = []
    for folder in folders:
        node = folder.find(name)
        if node is None:
            continue
        if not stat.S_ISDIR(node.status.st_mode):
            break
        found.append(node)
        if node.is_opaque:
            break
    return found


class Tree:
    """The tree in one folder, in which nothing hides anything: what a Stack tells, of that."""

    def __init__(self, path: str) -> None:
        self._path = path

    def names(self, path: str) -> set[str]:
        return set(os.listdir(self._path + path))

    def names_among(self, path: str, names: Collection[str]) -> set[str]:
        return self.names(path).intersection(names)

    def find(self, path: str) -> Node:
        return FolderNode(self._path + path)
