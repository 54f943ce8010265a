"""Volumes with options: what they name is mounted on their folder while a container in use needs it.

Nobody counts users: they are the containers that use the volume and are marked as running
(docs/decisions/0006-containers.md). Source of the options: engine 20.10, volume/local/local_unix.go.
"""

from __future__ import annotations

import fcntl
import os

from ligan.errors import Unavailable
from ligan.store.mounts import mounted_below, unmount_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from ligan.containers.mounts import Mount
    from ligan.containers.volumes import Volume
    from ligan.store.layout import Layout
    from ligan.store.store import Store


def mount_all(store: Store, mounts: Iterable[Mount]) -> None:
    """On return the volumes among the mounts that have options are mounted. Raises Unavailable."""
    for volume in _with_options(store, mounts):
        with _VolumeLock(store.layout, volume.name):
            if store.layout.volume_data(volume.name) not in mounted_below(store.layout.volume(volume.name)):
                _mount(store.layout, volume)


def unmount_all(store: Store, mounts: Iterable[Mount], container_id: str) -> None:
    """On return the volumes among the mounts that no other container in use needs are not mounted."""
    for volume in _with_options(store, mounts):
        with _VolumeLock(store.layout, volume.name):
            if not _is_needed(store, volume, container_id):
                unmount_below(store.layout.volume(volume.name))


def _with_options(store: Store, mounts: Iterable[Mount]) -> list[Volume]:
    names = sorted({mount.name for mount in mounts if mount.type == "volume"})
    if not names:
        return []
    from ligan.containers.volumes import find

    with store.database.read() as tx:
        found = [find(tx, name) for name in names]
    return [volume for volume in found if volume is not None and volume.options]


def _is_needed(store: Store, volume: Volume, container_id: str) -> bool:
    from ligan.containers.volumes import users

    with store.database.read() as tx:
        containers = users(tx, volume.key)
    others = [container for container in containers if container != container_id]
    return any(os.path.exists(store.layout.running(container)) for container in others)


def _mount(layout: Layout, volume: Volume) -> None:
    """Mount by mount(8), which knows options by name and the helpers of network file systems."""
    import subprocess

    options = volume.options or {}
    command = ["mount", "-t", options["type"], *(["-o", options["o"]] if options.get("o") else [])]
    path = layout.volume_data(volume.name)
    try:
        done = subprocess.run(
            [*command, "--", options["device"], path],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise Unavailable(_words(path, "mount: not found"), "Install the Debian package mount.") from None
    if done.returncode:
        raise Unavailable(_words(path, done.stderr.strip()))


def _words(path: str, reason: str) -> str:
    return f"error while mounting volume '{path}': failed to mount local volume: {reason}"


class _VolumeLock:
    """`with _VolumeLock(layout, name)`: no other process mounts or unmounts this volume."""

    def __init__(self, layout: Layout, name: str) -> None:
        self._path = layout.volume(name)

    def __enter__(self) -> Self:
        self._file = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self._file)
