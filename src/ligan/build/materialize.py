"""Trees as folders, for what has to be a folder: bind mounts, and what a build gives out."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ligan.store.blobs import Lease


def unpack_tar(lease: Lease, chunks: Iterable[bytes], folder: str) -> None:
    """Unpack a tar into an empty folder."""
    from ligan.layers.unpack import apply_layer

    path = lease.spool(chunks)
    try:
        with open(path, "rb", buffering=0) as tar:
            apply_layer(tar.fileno(), folder)
    finally:
        os.unlink(path)
