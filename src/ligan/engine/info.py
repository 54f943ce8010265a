"""What `ligan info` tells of an engine."""

from __future__ import annotations

import os
import platform
import sqlite3

from ligan.containers.host import Host
from ligan.containers.runtime import find_runtime
from ligan.errors import Unavailable
from ligan.images.usage import compressed_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.layers.snapshots.drivers import Choice
    from ligan.remote.endpoint import RemoteSettings
    from ligan.store.store import Store


def info(store: Store, remote: RemoteSettings) -> dict[str, Any]:
    """Return facts by name: counts as Docker's info names them, then Ligan's own."""
    with store.database.read() as tx:
        images = tx.value("SELECT count(*) FROM image")
        states = dict(tx.all("SELECT state, count(*) FROM container WHERE purpose = '' GROUP BY state"))
        blobs, blob_bytes = tx.one("SELECT count(*), COALESCE(SUM(size), 0) FROM blob")
        compressed = compressed_bytes(tx)
        entries = tx.value("SELECT count(*) FROM deletion")
    running, paused = states.get("running", 0), states.get("paused", 0)
    kernel = platform.uname()
    choice = _driver(store)
    runtime, reason = _runtime()
    host = Host.read()
    return {
        "Containers": sum(states.values()),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": sum(states.values()) - running - paused,
        "Images": images,
        "Driver": choice.driver,
        "CgroupVersion": host.cgroups.removeprefix("v"),
        "Runtimes": runtime,
        "DefaultRuntime": next(iter(runtime), ""),
        "KernelVersion": kernel.release,
        "OSType": kernel.system.lower(),
        "Architecture": kernel.machine,
        "NCPU": os.cpu_count() or 1,
        "DockerRootDir": store.layout.root,
        "Name": kernel.node,
        "InsecureRegistries": list(remote.insecure),
        "Mirrors": list(remote.mirrors),
        "Ligan": {
            "Blobs": blobs,
            "BlobBytes": blob_bytes,
            "CompressedBytes": compressed,
            "KeepCompressed": store.policy.keep_compressed,
            "FreeBytes": store.free_bytes(),
            "UndoEntries": entries,
            "UndoBytes": store.held_by_undo(),
            "UndoWindow": store.policy.window,
            "UndoDiskLimit": store.policy.disk_limit,
            "UndoBudget": store.policy.budget,
            "DriverReason": choice.why,
            "RuntimeReason": reason,
            "Controls": sorted(host.controls),
            "SQLite": sqlite3.sqlite_version,
        },
    }


def _runtime() -> tuple[dict[str, str], str]:
    """Return name and path of the runtime, and why it is this one, or why there is none."""
    try:
        found = find_runtime()
    except Unavailable as error:
        return {}, error.message
    return {found.name: found.path}, found.why


def _driver(store: Store) -> Choice:
    from ligan.layers.snapshots import Snapshots
    from ligan.layers.snapshots.drivers import VFS, Choice

    if not store.database.is_writable:
        return Choice(VFS, "the store can only be read")
    return Snapshots(store).choice
