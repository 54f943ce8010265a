"""Making of a layer's tar what can be mounted: outside of every transaction, then in one step."""

from __future__ import annotations

import os

from ligan.errors import NotFound
from ligan.layers.snapshots.chain import Layer, chain
from ligan.layers.snapshots.indexing import add_indexes, scan_and_index
from ligan.layers.unpack import unpack_layer
from ligan.oci.digest import Digest
from ligan.store import failpoints
from ligan.store.db import DISK_FULL, explain
from ligan.store.mounts import Lock, call_libc
from ligan.store.trees import tree_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.store.blobs import Lease
    from ligan.store.db import WriteTransaction
    from ligan.store.store import Store


def make_mountable(store: Store, diff_id: str, is_ready: Callable[[Layer], bool], *, index: bool) -> None:
    """On return the layer is in a form that can be mounted, whoever made it.

    With `index` that is an EROFS index, or a folder where the layer cannot be indexed. Raises NotFound for a
    layer that was removed meanwhile.
    """
    with Lock(store.layout.blob(Digest(diff_id))):  # the layer's tar: there as long as the layer is
        with store.database.read() as tx:
            key = tx.value("SELECT key FROM layer WHERE diff_id = ?", (diff_id,))
            made = key is not None and is_ready(chain(tx, key)[0])
        while not made:
            made = _try_to_make(store, diff_id, index=index)


def _try_to_make(store: Store, diff_id: str, *, index: bool) -> bool:
    """Return False where the disk was full, and has room now."""
    tar = store.layout.blob(Digest(diff_id))
    try:
        with store.lease() as lease, open(tar, "rb", buffering=0) as file:
            if not (index and _index(store, lease, diff_id, file.fileno())):
                _unpack(store, lease, diff_id, file.fileno())
    except FileNotFoundError:
        raise _removed(diff_id) from None
    except OSError as error:
        if error.errno not in DISK_FULL or not store.make_room(os.stat(tar).st_size):
            raise explain(error, store.layout.layers) from error
        return False
    return True


def _index(store: Store, lease: Lease, diff_id: str, tar: int) -> bool:
    """Return False for a layer that cannot be indexed."""
    index = scan_and_index(lease, tar).index
    if index is None:
        return False
    with store.database.write() as tx:
        _check_there(tx, diff_id)
        add_indexes(tx, lease.commit(tx, [index]), [(diff_id, index)])
    return True


def _unpack(store: Store, lease: Lease, diff_id: str, tar: int) -> None:
    folder = lease.folder()
    os.chmod(folder, 0o755)  # noqa: S103 - the root folder of a container
    unpack_layer(tar, folder)
    _sync_tree(folder)
    size = tree_size(folder)
    failpoints.hit("tree.written")
    with store.database.write() as tx:
        _check_there(tx, diff_id)
        lease.commit_tree(tx, folder, diff_id, size)


def _check_there(tx: WriteTransaction, diff_id: str) -> None:
    """Raise NotFound where nothing holds the layer any more."""
    if tx.value("SELECT 1 FROM layer WHERE diff_id = ?", (diff_id,)) is None:
        raise _removed(diff_id)


def _removed(diff_id: str) -> NotFound:
    return NotFound(f"the layer {diff_id} was removed meanwhile")


def _sync_tree(path: str) -> None:
    """On return all that is in the folder is durable. One call writes out the whole file system it is on."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        code = call_libc("syncfs", folder)
        if code:
            raise OSError(code, os.strerror(code), path)
    finally:
        os.close(folder)
