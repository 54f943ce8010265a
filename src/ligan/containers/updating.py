"""Changing what a container may use, while it runs too.

Source of rules and words: engine 20.10, daemon/update.go, container/container_unix.go (UpdateContainer).
"""

from __future__ import annotations

from ligan.containers import rows
from ligan.containers.ending import current
from ligan.containers.failures import RuntimeFailed
from ligan.containers.locking import Locked
from ligan.errors import Conflict, Invalid, LiganError
from ligan.store.db import Explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.containers.rows import Container
    from ligan.store.store import Store

_LIMITS = (
    "BlkioWeight",
    "CpuShares",
    "NanoCpus",
    "CpuPeriod",
    "CpuQuota",
    "CpusetCpus",
    "CpusetMems",
    "Memory",
    "MemorySwap",
    "MemoryReservation",
    "KernelMemory",
    "CpuRealtimePeriod",
    "CpuRealtimeRuntime",
)
"""What an update can change; a limit that is not named, or is nothing, stays as it is."""


def update(store: Store, name: str, changes: Mapping[str, Any]) -> list[str]:
    """Change limits and the restart policy, of a container that runs at once. Returns warnings.

    After an error nothing has changed. Raises NoSuchContainer, Invalid, Conflict.
    """
    from ligan.containers.host import Host
    from ligan.containers.limits import fit_limits
    from ligan.containers.validity import check_restart_policy
    from ligan.oci.hostconfig import resources

    asked = resources(changes)
    with store.database.read() as tx:
        container_id = rows.resolve_id(tx, name)
    check_restart_policy(asked["RestartPolicy"])
    fitted, warnings = fit_limits(asked, Host.read(), update=True)
    asked |= fitted
    with Locked(store.layout, container_id):
        container = current(store, container_id, is_locked=True)
        try:
            host_config = _updated(container, asked)
        except Invalid as error:
            raise Conflict(_cannot(container, error.message)) from None
        if container.state in ("running", "paused"):
            _apply(store, container, asked)
        with store.database.write() as tx:
            rows.set_host_config(tx, container.key, host_config)
            rows.record(tx, store.now(), "update", container)
    return warnings


def _cannot(container: Container, reason: str) -> str:
    return f"Cannot update container {container.id}: {reason}"


def _updated(container: Container, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the new HostConfig. Raises Invalid where old and new limits contradict each other."""
    host = dict(container.host_config)
    if container.state in ("removing", "dead"):
        raise Invalid('container is marked for removal and cannot be "update"')
    for new, old, words in (
        ("NanoCpus", "CpuPeriod", "Nano CPUs cannot be updated as CPU Period has already been set"),
        ("NanoCpus", "CpuQuota", "Nano CPUs cannot be updated as CPU Quota has already been set"),
        ("CpuPeriod", "NanoCpus", "CPU Period cannot be updated as NanoCPUs has already been set"),
        ("CpuQuota", "NanoCpus", "CPU Quota cannot be updated as NanoCPUs has already been set"),
    ):
        if asked[new] > 0 and host[old] > 0:
            raise Invalid(f"Conflicting options: {words}")
    # An unlimited swap (-1) is less than any limit of the memory, to Docker too.
    if asked["Memory"] > host["MemorySwap"] and asked["Memory"] and not asked["MemorySwap"]:
        raise Invalid(
            "Memory limit should be smaller than already set memoryswap limit, "
            "update the memoryswap at the same time"
        )
    host |= {field: asked[field] for field in _LIMITS if asked[field]}
    if asked["PidsLimit"] is not None:
        host["PidsLimit"] = max(0, asked["PidsLimit"])
    policy = asked["RestartPolicy"]
    if policy["Name"]:
        if host["AutoRemove"] and policy["Name"] != "no":
            raise Invalid("Restart policy cannot be updated because AutoRemove is enabled for the container")
        host["RestartPolicy"] = policy
    return host


def _apply(store: Store, container: Container, asked: Mapping[str, Any]) -> None:
    """Have the runtime set the limits of a container that runs: those that were named."""
    from ligan.containers import limits, runtime

    folder = store.layout.container(container.id)
    try:
        with Explained(folder):
            runtime.update(folder, container.id, limits.resources(asked, _device_number))
    except LiganError as error:
        raise RuntimeFailed(_cannot(container, error.message)) from error


def _device_number(path: str) -> tuple[int, int]:
    import os

    number = os.stat(path).st_rdev
    return os.major(number), os.minor(number)
