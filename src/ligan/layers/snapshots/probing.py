"""Finding the best driver that works here, by trying."""

from __future__ import annotations

import errno
import os

from ligan.layers.mounting import CannotMount, mount_erofs, mount_overlay
from ligan.layers.namespaces import in_user_namespace
from ligan.layers.snapshots.drivers import EROFS, OVERLAY, VFS, Choice
from ligan.layers.snapshots.indexing import scan_and_index
from ligan.store.mounts import unmount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.store.blobs import Lease
    from ligan.store.store import Store

_EMPTY_TAR = bytes(1024)


def probe(store: Store) -> Choice:
    """Return the best driver that works for this user on the store's file system. Leaves nothing behind."""
    if os.geteuid() != 0:
        return Choice(VFS, "only root can mount layers")
    with store.lease() as lease:
        try:
            _try_overlay(lease)
        except CannotMount as error:
            return Choice(
                VFS, f"overlay cannot be mounted on this file system: {os.strerror(error.errno).lower()}"
            )
        if in_user_namespace():
            return Choice(OVERLAY, "in a user namespace erofs cannot be mounted")
        try:
            _try_erofs(lease)
        except CannotMount as error:
            return Choice(OVERLAY, _no_erofs(error.errno))
    return Choice(EROFS, "")


def _try_overlay(lease: Lease) -> None:
    lowers, upper, work, target = (
        [lease.folder(), lease.folder()],
        lease.folder(),
        lease.folder(),
        lease.folder(),
    )
    mount_overlay(lowers, target, upper=upper, work=work)
    unmount(target)


def _try_erofs(lease: Lease) -> None:
    tar, target = lease.spool([_EMPTY_TAR]), lease.folder()
    with open(tar, "rb") as file:
        index = scan_and_index(lease, file.fileno()).index
    assert index is not None, "an empty tar can be indexed"
    mount_erofs(index.path, tar, target)
    unmount(target)


def _no_erofs(code: int) -> str:
    if code == errno.ENODEV:
        return "this kernel has no erofs"
    if code == errno.ENOTBLK:
        return "erofs mounts files from Linux 6.12 on, and not on every file system"
    return f"erofs cannot be mounted: {os.strerror(code).lower()}"
