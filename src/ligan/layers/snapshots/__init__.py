"""Snapshots: layers as file systems, and the writable layer that a container has on top.

Docker calls the parts a graph driver. There are three (see `drivers`); which one a container has can be seen
from its folder, so that a setting which changes later changes only what is made later. Containers share the
mounts of their layers. Nobody counts users: they are the containers' rows, and what is mounted is what the
kernel shows (`ligan.store.mounts`).

What takes long is done outside of every transaction, and each step can be done again: a process that is
killed leaves a lease, or mounts that no container needs, and recovery takes both.
"""

from __future__ import annotations

import os

from ligan.errors import NotFound
from ligan.layers.mounting import mount_overlay
from ligan.layers.snapshots.chain import Layer, Lowers, chain, lower_path, once_each
from ligan.layers.snapshots.drivers import EROFS, OVERLAY, VFS, Choice, chosen
from ligan.layers.snapshots.placeholders import placeholders, put_into
from ligan.layers.stack import FolderNode, Stack, Tree
from ligan.oci.digest import Digest
from ligan.store import failpoints
from ligan.store.db import Explained
from ligan.store.mounts import Lock, drop_unused_mounts, is_mounted, unmount
from ligan.store.trees import tree_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ligan.layers.stack import Node
    from ligan.store.blobs import Lease
    from ligan.store.store import Store

_STAMP = "made"
"""A file beside the files of a container with vfs. What was changed after it was made, the container did."""


class Snapshots:
    """The file systems of one store. As the store, it belongs to one thread."""

    def __init__(self, store: Store) -> None:
        """Raises Invalid where the store's policy names a driver that there is not."""
        self._store = store
        self._layout = store.layout
        driver = store.policy.storage_driver
        self._forced = chosen(driver) if driver else None
        self._probed: Choice | None = None

    @property
    def choice(self) -> Choice:
        """The driver of what is made from now on. The first use may take a millisecond: it tries."""
        if self._forced is not None:
            return self._forced
        if self._probed is None:
            from ligan.layers.snapshots.probing import probe

            self._probed = probe(self._store)
        return self._probed

    def prepare(self, top: int | None) -> str:
        """Make every layer from this one down mountable; returns the name of the driver by which it is.

        Takes long for layers that are new, and nothing for the others.
        """
        return self._prepared(top)[0]

    def _prepared(self, top: int | None) -> tuple[str, list[Layer]]:
        """Return the driver, and the layers as they are after they were made mountable."""
        layers = self._chain(top)
        if layers and self._forced is None and all(layer.index or layer.unpacked for layer in layers):
            # They work: no need to try.
            return EROFS if any(layer.index for layer in layers) else OVERLAY, layers
        driver = self.choice.driver
        if driver != VFS and layers:
            from ligan.layers.snapshots.making import make_mountable

            for layer in reversed(layers):
                if not self._is_ready(layer):
                    make_mountable(self._store, layer.diff_id, self._is_ready, index=driver == EROFS)
            layers = self._chain(top)
        return driver, layers

    def _is_ready(self, layer: Layer) -> bool:
        is_indexed = bool(layer.index) and (self._forced is None or self._forced.driver == EROFS)
        return layer.unpacked or is_indexed

    def create(self, container: str, top: int | None) -> str:
        """Make the writable layer of a container on this layer; returns the name of its driver.

        What is there already stays.
        """
        return self._created(container, top)[0]

    def _created(self, container: str, top: int | None) -> tuple[str, list[Layer]]:
        """Return the driver, and with one that mounts layers what is to be mounted."""
        layout = self._layout
        with Explained(layout.container(container)):
            os.makedirs(layout.container(container), 0o700, exist_ok=True)
            if self._is_vfs(container):
                return VFS, []
            driver, layers = self._prepared(top)
            if driver == VFS and not os.path.exists(layout.upper(container)):
                self._copy(container, top)
                return VFS, []
            self._make_folders(container)
        return driver, once_each(layers)

    def _make_folders(self, container: str) -> None:
        layout = self._layout
        for path in (layout.work(container), layout.merged(container)):
            os.makedirs(path, 0o700, exist_ok=True)
        # Its mode is that of the container's root folder, which the container may have changed since.
        if not os.path.exists(layout.upper(container)):
            new = f"{layout.upper(container)}-new"
            os.makedirs(new, exist_ok=True)
            os.chmod(new, 0o755)  # noqa: S103 - as Docker's
            os.rename(new, layout.upper(container))

    def _is_vfs(self, container: str) -> bool:
        return os.path.exists(self._stamp(container))

    def _stamp(self, container: str) -> str:
        return f"{self._layout.container(container)}/{_STAMP}"

    def _copy(self, container: str, top: int | None) -> None:
        """Unpack all layers into a folder of the container's own."""
        merged = self._layout.merged(container)
        with self._store.lease() as lease:
            folder = self._unpacked(lease, top)
            put_into(self._store, folder)
            with Lock(self._layout.container(container)):
                if self._is_vfs(container):
                    return
                if not os.path.exists(merged):
                    os.rename(folder, merged)
                failpoints.hit("snapshot.copied")
                os.close(os.open(self._stamp(container), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _unpacked(self, lease: Lease, top: int | None) -> str:
        """Return a folder of the lease with all that the layers show."""
        from ligan.layers.unpack import apply_layer

        layers = self._chain(top)
        folder = lease.folder()
        os.chmod(folder, 0o755)  # noqa: S103 - the root folder of a container
        for layer in reversed(layers):
            with open(self._layout.blob(Digest(layer.diff_id)), "rb", buffering=0) as tar:
                apply_layer(tar.fileno(), folder)
        return folder

    def mount(self, container: str, *, volatile: bool = False) -> str:
        """On return the container's root file system is at the path that is returned.

        What is missing, because a crash broke off its making, is made. What is written into a `volatile` one
        need not outlive a power cut: unmounting then waits for no disk. Raises NotFound where the container
        has no row, CannotMount where the kernel refuses.
        """
        merged = self._layout.merged(container)
        if is_mounted(merged):
            return merged
        with self._store.database.read() as tx:
            row = tx.one("SELECT layer FROM container WHERE id = ?", (container,))
        if row is None:
            raise NotFound(f"No such container: {container}")
        driver, layers = self._created(container, row[0])
        if driver == VFS:
            return merged
        upper, work = self._layout.upper(container), self._layout.work(container)
        with Explained(merged), Lock(upper):
            if not is_mounted(merged):
                with Lowers(self._layout, layers) as lowers:
                    failpoints.hit("snapshot.lowers")
                    mount_overlay(
                        [_places(self._store, lowers), *lowers],
                        merged,
                        upper=upper,
                        work=work,
                        volatile=volatile,
                    )
                    failpoints.hit("snapshot.mounted")
        return merged

    def _chain(self, top: int | None) -> list[Layer]:
        with self._store.database.read() as tx:
            return chain(tx, top)

    def unmount(self, container: str) -> None:
        """On return the container's root file system is not mounted, nor are layers that only it needed.

        It may be called for any container, whatever its driver and state, and again.
        """
        unmount(self._layout.merged(container))
        failpoints.hit("snapshot.unmounted")
        drop_unused_mounts(self._store.database, self._layout)

    def view(self, top: int | None, *, with_places: bool = False) -> View:
        """Return what mounts the layers, without any container's, read-only: see View.

        `with_places`: as a container has them at first, with the places for its mounts.
        """
        return View(self, top, with_places=with_places)

    def below(self, top: int | None, driver: str) -> Below:
        """Return what tells of the files below a container with this driver, not mounting them: see Below."""
        return Below(self, top, driver)

    def graph_driver(self, container: str, top: int | None) -> dict[str, Any]:
        """Return Docker's GraphDriver of a container: where its image's layers and its files really are."""
        layout = self._layout
        if self._is_vfs(container):
            return {"Data": None, "Name": VFS}
        layers = once_each(self._chain(top))
        return {
            "Data": {
                "LowerDir": ":".join([lower_path(layout, layer) for layer in layers]),
                "MergedDir": layout.merged(container),
                "UpperDir": layout.upper(container),
                "WorkDir": layout.work(container),
            },
            "Name": OVERLAY if layers and all(layer.unpacked for layer in layers) else EROFS,
        }

    def size(self, container: str) -> int:
        """Return Docker's SizeRw: the bytes of the files that the container has changed or added."""
        with Explained(self._layout.container(container)):
            if self._is_vfs(container):
                made = os.stat(self._stamp(container)).st_ctime_ns
                return tree_size(self._layout.merged(container), changed_after=made)
            return tree_size(self._layout.upper(container))


class View:
    """`with snapshots.view(top) as path`: all that the layers show is in that folder, not to be written to.

    It stays whatever is unmounted or removed meanwhile, until the end of the block. With `unpacked` it is as
    a container with vfs has it.
    """

    def __init__(
        self, snapshots: Snapshots, top: int | None, *, with_places: bool, unpacked: bool = False
    ) -> None:
        self._snapshots = snapshots
        self._top = top
        self._with_places = with_places
        self._unpacked = unpacked

    def __enter__(self) -> str:
        driver, layers = (VFS, []) if self._unpacked else self._snapshots._prepared(self._top)
        self._lease = self._snapshots._store.lease()
        self._path = ""
        try:
            self._path = self._filled(self._lease, driver, once_each(layers))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self._path

    def _filled(self, lease: Lease, driver: str, layers: Sequence[Layer]) -> str:
        store = self._snapshots._store
        if driver == VFS:
            path = self._snapshots._unpacked(lease, self._top)
            if self._with_places:
                put_into(store, path)
            return path
        path = lease.folder()
        with Lowers(store.layout, layers) as lowers:
            if self._with_places:
                lowers = [_places(store, lowers), *lowers]
            if len(lowers) == 1:
                lowers = [*lowers, lease.folder()]  # of one folder alone overlay makes nothing
            if lowers:
                mount_overlay(lowers, path)
        return path

    def __exit__(self, *exception: Any) -> None:
        if self._path:
            unmount(self._path)  # the lease would have to look for what is mounted in it
        self._lease.__exit__(*exception)
        drop_unused_mounts(self._snapshots._store.database, self._snapshots._layout)


class Below:
    """`with snapshots.below(top) as stack`: all that is below a container, with the places for its mounts.

    It can be looked at until the end of the block, whatever is unmounted or removed meanwhile, but for layers
    that are unpacked. For a container with vfs, whatever driver is chosen now, a view is made of them all: it
    may differ from what overlay shows. So it is where a layer is neither indexed nor unpacked.
    """

    def __init__(self, snapshots: Snapshots, top: int | None, driver: str) -> None:
        self._snapshots = snapshots
        self._top = top
        self._driver = driver
        self._indexes: list[int] = []
        self._view: View | None = None

    def __enter__(self) -> Stack | Tree:
        try:
            with Explained(self._snapshots._layout.layers):
                return self._told()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def _told(self) -> Stack | Tree:
        layers = [] if self._driver == VFS else self._snapshots._prepared(self._top)[1]
        if self._driver == VFS or not all(layer.index or layer.unpacked for layer in layers):
            view = View(self._snapshots, self._top, with_places=True, unpacked=True)
            tree = Tree(view.__enter__())
            self._view = view
            return tree
        roots = [self._root(layer) for layer in once_each(layers)]
        return Stack([FolderNode(placeholders(self._snapshots._store, roots)), *roots])

    def _root(self, layer: Layer) -> Node:
        layout = self._snapshots._layout
        if layer.unpacked:
            return FolderNode(layout.tree(layer.diff_id))
        from ligan.layers.index_node import IndexNode

        path = layout.blob(Digest(layer.index))
        self._indexes.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        return IndexNode(self._indexes[-1])

    def __exit__(self, *exception: Any) -> None:
        if self._view is not None:
            self._view.__exit__(*exception)
        for index in self._indexes:
            os.close(index)


def _places(store: Store, lowers: Sequence[str]) -> str:
    return placeholders(store, [FolderNode(lower) for lower in lowers])
