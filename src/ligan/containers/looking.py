"""Looking into containers that run: their processes, and what they use."""

from __future__ import annotations

import os

from ligan.containers import rows
from ligan.containers.ending import current
from ligan.containers.stopping import IsRestarting, NotRunning
from ligan.errors import Unsupported

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
    pids = cgroups.processes(path) if cgroups.folders(path) else _in_namespace_of(container.pid)
    shown = dict(of_processes(pids, arguments))
    with store.database.write(durable=False) as tx:
        rows.record(tx, store.now(), "top", container)
    return shown


def _in_namespace_of(pid: int) -> list[int]:
    """Return the pids in a process's own PID namespace: by it a container without a cgroup is known."""
    wanted = _pid_namespace(pid)
    if wanted == _pid_namespace(os.getpid()):
        raise Unsupported(
            "without root the processes of a container with --pid host cannot be told from others"
        )
    found = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return sorted([other for other in found if wanted and _pid_namespace(other) == wanted])


def _pid_namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""  # it has ended, or is none of ours


def stats(store: Store, name: str, previous: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return one measurement, as Docker's document; of a container that does not run an empty one."""
    from ligan.containers import cgroups
    from ligan.containers.host import Host
    from ligan.containers.network import is_connected
    from ligan.containers.spec import cgroup_path
    from ligan.containers.stats import empty, measure
    from ligan.layers.namespaces import in_user_namespace
    from ligan.oci.times import rfc3339nano

    container = current(store, name)
    shown = f"/{container.name}"
    if container.state not in ("running", "paused"):
        return empty(shown, container.id)
    cgroup = cgroup_path(container.id, container.host_config)
    if in_user_namespace() and not cgroups.folders(cgroup):
        raise Unsupported(
            "without root a container has no cgroup by which its use of resources could be told"
        )
    return measure(
        cgroup,
        container.pid,
        Host.read().memory,
        read=rfc3339nano(*divmod(store.now(), 10**9)),
        name=shown,
        container_id=container.id,
        networked=is_connected(container),
        previous=previous,
    )
