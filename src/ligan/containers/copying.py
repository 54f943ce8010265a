"""Files of a container as seen from outside: what it changed, all of it, and copies in and out.

Source of rules and words: engine 20.10, daemon/archive.go, daemon/changes.go, daemon/export.go; golden
k_containers.
"""

from __future__ import annotations

from ligan.containers import rows
from ligan.containers.ending import current
from ligan.containers.roots import MountedRoot, settle
from ligan.errors import Invalid, NotFound, Unavailable
from ligan.layers.beneath import NoSuchPath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, BinaryIO, TypeVar

    from ligan.containers.rows import Container
    from ligan.store.store import Store

    Result = TypeVar("Result")


def changes(store: Store, name: str) -> dict[str, str]:
    """Return what differs from the container's image: kinds by path."""
    container = current(store, name)
    settle(store, container)
    try:
        return changes_of(store, container)
    except Unavailable:
        current(store, container.id)  # it may have been removed meanwhile
        raise


def changes_of(store: Store, container: Container) -> dict[str, str]:
    """Return the same of a container that is settled, or has run."""
    from ligan.layers.diff import overlay_changes, tree_changes
    from ligan.layers.snapshots import Snapshots
    from ligan.layers.snapshots.drivers import VFS

    with Snapshots(store).below(container.layer, container.driver) as below:
        if container.driver == VFS:
            return tree_changes(store.layout.merged(container.id), below)
        return overlay_changes(store.layout.upper(container.id), below)


def export(store: Store, name: str, target: BinaryIO) -> None:
    """Write the container's whole file system as a tar, without what is mounted in it."""
    from ligan.layers.tree_tar import export_tar

    with MountedRoot(store, name) as root:
        _write(export_tar(root.path), target)
        _record(store, "export", root.container)


def stat(store: Store, name: str, path: str) -> dict[str, Any]:
    """Return what X-Docker-Container-Path-Stat tells of a path. Raises NotFound in Docker's words."""
    with MountedRoot(store, name) as root:
        return _found(name, path, lambda: root.with_mounts(lambda top: _status(top, path)))


def copy_out(store: Store, name: str, path: str, target: BinaryIO) -> dict[str, Any]:
    """Write a tar of a path, and return its status. Nothing is written where the path is not there."""
    from ligan.layers.tree_tar import path_tar

    def copy(top: str) -> dict[str, Any]:
        status = _status(top, path)
        _write(path_tar(top, path), target)
        return status

    with MountedRoot(store, name) as root:
        status = _found(name, path, lambda: root.with_mounts(copy))
        _record(store, "archive-path", root.container)
        return status


def copy_in(
    store: Store, name: str, path: str, source: BinaryIO, *, no_overwrite_dir_non_dir: bool = False
) -> None:
    """Unpack a tar, compressed or not, into a folder of the container; links to folders are followed.

    Raises NotFound where there is no such folder, Invalid where it may not be written to.
    """
    from ligan.images.source import content_of
    from ligan.layers.unpack import unpack_archive

    with MountedRoot(store, name) as root, store.lease() as lease:
        _found(name, path, lambda: root.with_mounts(lambda top: _folder_at(root.container, top, path)))
        spool = lease.spool(content_of(source, None))
        with open(spool, "rb") as tar:
            archive = tar.fileno()

            def unpack(top: str) -> None:
                folder = _folder_at(root.container, top, path)
                unpack_archive(archive, top, folder, keep_kinds=no_overwrite_dir_non_dir)

            _found(name, path, lambda: root.with_mounts(unpack))
        _record(store, "extract-to-dir", root.container)


def _folder_at(container: Container, top: str, path: str) -> str:
    """Return the folder that a path leads to, as a path without links below the root."""
    import os

    from ligan.layers.beneath import locate, open_root

    root = open_root(top)
    try:
        # A dot at its end has a link followed.
        place = locate(root, f"{path}/.")
    except Invalid:
        raise Invalid("extraction point is not a directory") from None
    finally:
        os.close(root)
    _check_writable(container, f"/{place.path}")
    return place.path


def _check_writable(container: Container, path: str) -> None:
    """Raise Invalid for a folder that is read-only to the container."""
    for mount in reversed(container.mounts):
        if f"{path}/".startswith(f"{mount.destination.rstrip('/')}/"):
            if not mount.rw:
                raise Invalid("mounted volume is marked read-only")
            return
    if container.host_config["ReadonlyRootfs"]:
        raise Invalid("container rootfs is marked read-only")


def _status(top: str, path: str) -> dict[str, Any]:
    from ligan.layers.beneath import path_status
    from ligan.oci.times import rfc3339nano

    status = path_status(top, path)
    return {
        "name": status.name,
        "size": status.size,
        "mode": status.mode,
        "mtime": rfc3339nano(*divmod(status.mtime, 10**9)),
        "linkTarget": status.link_target,
    }


def _found(name: str, path: str, work: Callable[[], Result]) -> Result:
    """Return what `work` does. A path that is not there is named with the container, as given."""
    try:
        return work()
    except NoSuchPath:
        raise NotFound(f"Could not find the file {path} in container {name}") from None


def _write(chunks: Iterable[bytes], target: BinaryIO) -> None:
    for chunk in chunks:
        target.write(chunk)


def _record(store: Store, action: str, container: Container) -> None:
    with store.database.write() as tx:
        rows.record(tx, store.now(), action, container)
