"""Folders that come with rows: those of containers, volumes and cache mounts.

A folder is made before the transaction of its row ends, so that whoever sees the row finds it. A lease says
before that which folders these are: where the process dies and the rows never come, recovery takes them away.
"""

from __future__ import annotations

import os

from ligan.store.db import Explained
from ligan.store.reclaim import release_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from ligan.store.blobs import Lease
    from ligan.store.db import WriteTransaction
    from ligan.store.layout import Layout

ANNOUNCED = "folders"
"""The file of a lease that names folders for which there will be rows."""


class NewFolders:
    """`with NewFolders(layout, lease) as folders, database.write() as tx`: an error leaves none of them."""

    def __init__(self, layout: Layout, lease: Lease) -> None:
        self._layout = layout
        self._lease = lease
        self._made: list[str] = []

    def __enter__(self) -> Self:
        return self

    def make(self, names: Sequence[str]) -> None:
        """Make the folders of these names below the root. What is there already stays."""
        new = [name for name in dict.fromkeys(names) if not os.path.exists(self._layout.absolute(name))]
        with Explained(self._layout.root):
            with open(f"{self._lease.path}/{ANNOUNCED}", "a", encoding="utf-8") as file:
                file.writelines([f"{name}\n" for name in new])
            for name in new:
                path = self._layout.absolute(name)
                os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
                self._made.append(path)
                os.mkdir(path, 0o700)

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        if kind is not None:
            from ligan.store.trees import remove_tree

            for path in self._made:
                remove_tree(path)


_OWNERS = {"containers": ("container", "id"), "volumes": ("volume", "name"), "caches": ("build_cache", "id")}


def take_back(tx: WriteTransaction, lease: str) -> None:
    """Let the sweep remove the folders that a dead process announced, and whose rows never came."""
    try:
        with open(f"{lease}/{ANNOUNCED}", encoding="utf-8") as file:
            names = file.read().split()
    except FileNotFoundError:
        return
    for name in names:
        kind, _, which = name.partition("/")
        table, column = _OWNERS[kind]
        if tx.value(f"SELECT 1 FROM {table} WHERE {column} = ?", (which,)) is None:
            release_tree(tx, name)
