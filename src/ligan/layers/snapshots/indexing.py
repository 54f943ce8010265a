"""Layers indexed as they come in, so that what was loaded or pulled is ready to run."""

from __future__ import annotations

import os

from ligan.layers.scan import scan_layer
from ligan.layers.snapshots.drivers import EROFS
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ligan.oci.digest import Digest
    from ligan.store.blobs import Lease, Staged
    from ligan.store.db import WriteTransaction
    from ligan.store.store import Store


class ScannedLayer(Value):
    """`size` is Docker's DiffSize. `index` is the layer's EROFS index, or None where it has none."""

    size: int
    index: Staged | None


def are_wanted(store: Store) -> bool:
    """Return whether layers are to be indexed at once: containers will have them by the driver erofs."""
    from ligan.layers.snapshots import Snapshots

    return Snapshots(store).choice.driver == EROFS


def scan_staged(lease: Lease, staged: Staged, *, index: bool) -> ScannedLayer:
    """Check a layer tar and measure it; with `index`, write its index into the lease in the same walk.

    Raises Corrupt in Docker's words for a layer that cannot be unpacked.
    """
    fd = os.open(staged.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return scan_and_index(lease, fd) if index else ScannedLayer(scan_layer(fd).diff_size, None)
    finally:
        os.close(fd)


def scan_and_index(lease: Lease, tar: int) -> ScannedLayer:
    """Do all of scan_staged for an open layer tar, index it included."""
    from ligan.layers.erofs import Index, NotIndexable

    index = Index(os.fstat(tar).st_size)
    size = scan_layer(tar, inodes=index).diff_size
    try:
        return ScannedLayer(size, lease.write(index.finish()))
    except NotIndexable:
        return ScannedLayer(size, None)


def add_indexes(
    tx: WriteTransaction, blobs: Mapping[Digest, int], layers: Iterable[tuple[str, Staged | None]]
) -> None:
    """Note which blobs are the indexes of layers, given by diff ID."""
    tx.execute_many(
        "INSERT OR IGNORE INTO layer_blob (diff_id, blob, compressor) VALUES (?, ?, 'erofs')",
        [(diff_id, blobs[index.digest]) for diff_id, index in layers if index is not None],
    )
