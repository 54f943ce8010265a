"""A tree of a few files that lie elsewhere or nowhere: documents in a Dockerfile, and what a URL gave."""

from __future__ import annotations

import os

from ligan.build.sums import entry_sum
from ligan.build.trees import Entry, Tree, sort_key
from ligan.images.source import Extent
from ligan.layers.tar import DIRECTORY, REGULAR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class FilesTree(Tree):
    """Files of root in one folder, each with its name, its entry and the descriptor of its content.

    The descriptors are the tree's from then on.
    """

    def __init__(self, files: Mapping[str, tuple[Entry, int]]) -> None:
        self._files = dict(files)

    def close(self) -> None:
        for _, file in self._files.values():
            os.close(file)
        self._files.clear()

    def entry(self, path: str) -> Entry | None:
        if not path:
            return Entry("", DIRECTORY, 0o755, 0, 0, 0, 0)
        return self._files[path][0] if path in self._files else None

    def walk(self, path: str = "") -> Iterator[Entry]:
        top = self.entry(path)
        if top is not None:
            yield top
        if not path:
            yield from [self._files[name][0] for name in sorted(self._files, key=sort_key)]

    def read(self, entry: Entry) -> Iterator[bytes]:
        return self.extent(entry).chunks()

    def extent(self, entry: Entry) -> Extent:
        return Extent(self._files[entry.path][1], 0, entry.size)

    def tarsum(self, entry: Entry) -> str:
        return entry_sum(self, entry)

    def missing_sum(self, path: str, target: str) -> str:
        return target


def file_tree(name: str, content: bytes, mode: int = 0o644, mtime: int = 0) -> FilesTree:
    """Return the tree of one file that is given here. The time is in nanoseconds."""
    file = os.memfd_create("file")
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
    return FilesTree({name: (file_entry(name, mode, len(content), mtime), file)})


def file_entry(name: str, mode: int, size: int, mtime: int) -> Entry:
    """Return the entry of a file of root. The time is in nanoseconds."""
    return Entry(name, REGULAR, mode, 0, 0, size, mtime, uname="root", gname="root")
