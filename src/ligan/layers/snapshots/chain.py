"""The layers below a container, and what has been made of each so that it can be mounted."""

from __future__ import annotations

import os

from ligan.layers.mounting import mount_erofs, mount_place
from ligan.oci.digest import Digest
from ligan.store.mounts import is_mounted, mounted_in, mounting
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.store.db import ReadTransaction
    from ligan.store.layout import Layout


class Layer(Value):
    """`index` is the digest of the layer's EROFS index, "" where it has none; `unpacked`: it is a folder."""

    diff_id: str
    index: str
    unpacked: bool


_CHAIN = """
    WITH RECURSIVE below (key, parent, diff_id, blob, depth) AS (
        SELECT key, parent, diff_id, blob, depth FROM layer WHERE key = ?
        UNION ALL SELECT layer.key, layer.parent, layer.diff_id, layer.blob, layer.depth
        FROM layer JOIN below ON layer.key = below.parent)
    SELECT below.diff_id,
           COALESCE((SELECT blob.digest FROM layer_blob JOIN blob ON blob.key = layer_blob.blob
                     WHERE layer_blob.diff_id = below.diff_id AND compressor = 'erofs'
                     ORDER BY blob.key DESC LIMIT 1), ''),
           blob.unpacked IS NOT NULL
    FROM below JOIN blob ON blob.key = below.blob ORDER BY below.depth DESC
"""


def chain(tx: ReadTransaction, top: int | None) -> list[Layer]:
    """Return the layer with this key and all below, the uppermost first."""
    return [Layer(diff_id, index, bool(unpacked)) for diff_id, index, unpacked in tx.all(_CHAIN, (top,))]


def once_each(layers: Sequence[Layer]) -> list[Layer]:
    """Leave out a layer below one of the same content: it shows nothing, and overlay refuses it (ELOOP)."""
    return list({layer.diff_id: layer for layer in layers}.values())


def lower_path(layout: Layout, layer: Layer) -> str:
    """Return where the files of a layer can be seen once it is mounted."""
    return layout.tree(layer.diff_id) if layer.unpacked else layout.mount_point(layer.diff_id)


class Lowers:
    """`with Lowers(layout, layers) as paths`: the layers are mounted, and stay so until the end of the block.

    `paths` are in the order of the layers. Each diff ID is mounted once and shared. Whoever mounts a stack of
    them needs no more of the mounts afterwards than that they may be shared.
    """

    def __init__(self, layout: Layout, layers: Sequence[Layer]) -> None:
        self._layout = layout
        self._layers = layers
        self._lock = mounting(layout, shared=True)

    def __enter__(self) -> list[str]:
        self._lock.__enter__()
        try:
            if self._missing():
                self._lock.__exit__()
                self._lock = mounting(self._layout)
                self._lock.__enter__()
                self._mount_missing()
        except BaseException:
            self._lock.__exit__()
            raise
        return [lower_path(self._layout, layer) for layer in self._layers]

    def __exit__(self, *_exception: object) -> None:
        self._lock.__exit__()

    def _missing(self) -> list[Layer]:
        there = mounted_in(self._layout.mounts)
        return [
            layer
            for layer in self._layers
            if not layer.unpacked and self._layout.mount_point(layer.diff_id) not in there
        ]

    def _mount_missing(self) -> None:
        layout, missing = self._layout, self._missing()
        if missing and not is_mounted(layout.mounts):
            os.makedirs(layout.mounts, 0o700, exist_ok=True)
            mount_place(layout.mounts)
        for layer in missing:
            point = layout.mount_point(layer.diff_id)
            try:
                os.mkdir(point)
            except FileExistsError:
                pass
            mount_erofs(layout.blob(Digest(layer.index)), layout.blob(Digest(layer.diff_id)), point)
