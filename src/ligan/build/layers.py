"""Layers that steps make: written and hashed once, and mountable at once."""

from __future__ import annotations

import os

from ligan.images import catalog
from ligan.layers.snapshots.indexing import add_indexes, scan_staged
from ligan.oci.digest import ChainID, DiffID
from ligan.oci.identity import chain_id
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ligan.oci.digest import Digest
    from ligan.store.blobs import Lease, Staged
    from ligan.store.db import WriteTransaction


class NewLayer(Value):
    """A layer in a lease. `size` is Docker's DiffSize; `index` makes it mountable, or is None."""

    tar: Staged
    size: int
    index: Staged | None

    @property
    def diff_id(self) -> DiffID:
        return DiffID(self.tar.digest)

    @property
    def staged(self) -> list[Staged]:
        return [self.tar, *([self.index] if self.index else [])]

    def chain_id(self, below: ChainID | None) -> ChainID:
        """Return the identity of this layer on those below."""
        return chain_id(below, self.diff_id)


def stage(lease: Lease, chunks: Iterable[bytes], *, index: bool) -> NewLayer:
    """Write a layer's tar, and its index if it is wanted."""
    tar = lease.write_chunks(chunks)
    scanned = scan_staged(lease, tar, index=index)
    return NewLayer(tar, scanned.size, scanned.index)


def add(tx: WriteTransaction, blobs: Mapping[Digest, int], new: NewLayer, below: int | None) -> int:
    """Write the row of a staged layer on the layer of this key; the caller makes something hold it.

    `blobs` are those that the lease committed. Returns the key of the row.
    """
    parent = tx.value("SELECT chain_id FROM layer WHERE key = ?", (below,))
    whole = new.chain_id(ChainID(parent) if parent else None)
    key = catalog.ensure_layer(tx, whole, below, new.diff_id, new.size, blobs[new.tar.digest])
    add_indexes(tx, blobs, [(new.diff_id, new.index)])
    return key


def clamp_times(folder: str, epoch: int) -> None:
    """Make nothing in a folder newer than `epoch`, in nanoseconds since 1970; links are not followed."""
    for path, folders, files in os.walk(folder, topdown=False):
        for name in [*files, *folders]:
            _clamp(os.path.join(path, name), epoch)
    _clamp(folder, epoch)


def _clamp(path: str, epoch: int) -> None:
    found = os.lstat(path)
    if found.st_mtime_ns > epoch:
        os.utime(path, ns=(found.st_atime_ns, epoch), follow_symlinks=False)
