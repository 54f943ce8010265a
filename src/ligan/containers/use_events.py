"""Events of what a run uses: its volumes, and the networks for which nothing has to be set up.

Source: engine 20.10, container/container.go (MountPoints), daemon/events.go (LogNetworkEventWithAttributes).
"""

from __future__ import annotations

from ligan.containers.rows import BUILD
from ligan.images import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.containers.rows import Container
    from ligan.store.db import ReadTransaction, WriteTransaction

_DRIVERS = {"none": "null", "host": "host"}


def record_start(tx: WriteTransaction, now: int, container: Container) -> None:
    """Write that a container that starts uses its network and its volumes."""
    if container.purpose == BUILD:
        return
    _record_network(tx, now, "connect", container)
    for mount in container.mounts:
        if mount.type == "volume":
            attributes = {
                "container": container.id,
                "destination": mount.destination,
                "driver": mount.driver,
                "propagation": mount.propagation,
                "read/write": "true" if mount.rw else "false",
            }
            events.record(tx, now, "mount", mount.name, attributes, kind="volume")


def record_end(tx: WriteTransaction, now: int, container: Container) -> None:
    """Write that a container that has ended uses them no longer."""
    if container.purpose == BUILD:
        return
    _record_network(tx, now, "disconnect", container)
    for mount in container.mounts:
        if mount.type == "volume":
            attributes = {"container": container.id, "driver": mount.driver}
            events.record(tx, now, "unmount", mount.name, attributes, kind="volume")


def _record_network(tx: WriteTransaction, now: int, action: str, container: Container) -> None:
    name = container.host_config.get("NetworkMode") or ""
    if name in _DRIVERS:
        attributes = {"container": container.id, "type": _DRIVERS[name]}
        events.record(tx, now, action, _id_of(tx, name), attributes, name=name, kind="network")


def _id_of(tx: ReadTransaction, name: str) -> str:
    """Return the ID of a network that is always there, or its name where nobody asked for networks yet."""
    return str(tx.value("SELECT id FROM network WHERE name = ?", (name,)) or name)
