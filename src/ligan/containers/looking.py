"""Looking into containers that run: their processes, and what they use."""

from __future__ import annotations

from ligan.containers.ending import current
from ligan.containers.stopping import IsRestarting, NotRunning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.store.store import Store


def top(store: Store, name: str, arguments: str) -> dict[str, Any]:
    """Return the document of `GET /containers/{name}/top`. Raises NotRunning, and what ps refuses."""
    from ligan.containers import cgroups
    from ligan.containers.spec import cgroup_path
    from ligan.containers.top import top as of_processes

    container = current(store, name)
    if not container.is_running:
        raise NotRunning(container.id)
    if container.state == "restarting":
        raise IsRestarting(container.id)
    path = cgroup_path(container.id, container.host_config)
    return dict(of_processes(cgroups.processes(path), arguments))


def stats(store: Store, name: str, previous: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return one measurement, as Docker's document; of a container that does not run an empty one."""
    from ligan.containers.host import Host
    from ligan.containers.network import is_connected
    from ligan.containers.spec import cgroup_path
    from ligan.containers.stats import empty, measure
    from ligan.oci.times import rfc3339nano

    container = current(store, name)
    shown = f"/{container.name}"
    if container.state not in ("running", "paused"):
        return empty(shown, container.id)
    return measure(
        cgroup_path(container.id, container.host_config),
        container.pid,
        Host.read().memory,
        read=rfc3339nano(*divmod(store.now(), 10**9)),
        name=shown,
        container_id=container.id,
        networked=is_connected(container),
        previous=previous,
    )
