"""New volumes get what the image has where they are mounted.

Source: engine 20.10, daemon/create_unix.go (populateVolumes) and container_unix.go (copyExistingContents).
"""

from __future__ import annotations

import os
import stat

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.containers.mounts import Mount
    from ligan.containers.rows import Container
    from ligan.store.store import Store


def fill_volumes(store: Store, container: Container) -> None:
    """Copy what the image has into the volumes of a new container that are empty.

    On return each has the content, owner and mode of the folder that it covers; where the image has no
    such folder it stays as it is. Raises Invalid where the image has a file there.
    """
    empty = [mount for mount in container.mounts if mount.copy and _is_empty(mount.source)]
    if not empty or container.layer is None:
        return
    from ligan.layers.snapshots import Snapshots

    with Snapshots(store).view(container.layer, with_places=True) as root:  # as Docker, from its init layer
        for mount in empty:
            _fill(store, root, mount)


def _is_empty(folder: str) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is None


def _fill(store: Store, root: str, mount: Mount) -> None:
    from ligan.layers.beneath import NoSuchPath, locate, open_root
    from ligan.layers.tree_tar import path_tar
    from ligan.layers.unpack import unpack_archive

    top = open_root(root)
    try:
        # A slash at its end has a link followed; that it leads to a folder is checked here.
        place = locate(top, f"{mount.destination}/")
    except NoSuchPath:
        return
    except Invalid:
        raise Invalid(f"cannot mount volume over existing file, file exists {mount.destination}") from None
    finally:
        os.close(top)
    with store.lease() as lease, open(lease.spool(path_tar(root, f"{mount.destination}/.")), "rb") as tar:
        unpack_archive(tar.fileno(), mount.source, "")
    _take_after(mount.source, place.status)


def _take_after(folder: str, status: os.stat_result) -> None:
    """Give a folder the owner, mode and times of another."""
    if os.geteuid() == 0:
        os.chown(folder, status.st_uid, status.st_gid)
    os.chmod(folder, stat.S_IMODE(status.st_mode))
    os.utime(folder, ns=(status.st_atime_ns, status.st_mtime_ns))
