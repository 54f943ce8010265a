"""The engine as a whole: ping, version, info and disk usage."""

from __future__ import annotations

import os
import platform
import sqlite3
import time

from aiohttp.web import Response

from ligan import __version__
from ligan.api import answers, container_wire, wire
from ligan.api.router import API_VERSION, MIN_API_VERSION, dotted
from ligan.errors import Invalid
from ligan.oci.platform import normalise
from ligan.oci.times import rfc3339nano

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from aiohttp.web import StreamResponse

    from ligan.api.router import Call, Route
    from ligan.engine.role import Engine

_PING_HEADERS = {
    # The classic builder: clients up to 20.10 ask for BuildKit where this says 2.
    "Builder-Version": "1",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Content-Type": "text/plain; charset=utf-8",
    "Pragma": "no-cache",
    "Swarm": "inactive",
}


async def _ping(call: Call) -> StreamResponse:
    if call.http.method == "HEAD":
        return Response(headers=answers.HEADERS | _PING_HEADERS | {"Content-Length": "0"})
    return Response(body=b"OK", headers=answers.HEADERS | _PING_HEADERS)


async def _options(call: Call) -> StreamResponse:
    """Docker answers this for every path, and with nothing."""
    return answers.nothing(200)


async def _version(call: Call) -> StreamResponse:
    host = platform.uname()
    api = {"ApiVersion": dotted(API_VERSION), "MinAPIVersion": dotted(MIN_API_VERSION)}
    machine = {
        "Os": "linux",
        "Arch": normalise("linux", host.machine).architecture,
        "KernelVersion": host.release,
    }
    libraries = {"PythonVersion": platform.python_version(), "SQLiteVersion": sqlite3.sqlite_version}
    details = {**api, **machine, **libraries, "Experimental": "false"}
    return answers.document(
        {
            "Platform": {"Name": "Ligan"},
            "Components": [{"Name": "Engine", "Version": __version__, "Details": details}],
            "Version": __version__,
            **api,
            "GitCommit": "",
            "GoVersion": "",
            **machine,
            "BuildTime": "",
        }
    )


async def _info(call: Call) -> StreamResponse:
    facts = await call.engine.call(lambda engine: engine.info())
    return answers.document(_info_document(facts, rfc3339nano(*divmod(time.time_ns(), 10**9))))


def _info_document(facts: Mapping[str, Any], now: str) -> dict[str, Any]:
    """Return Docker's info. What Ligan has none of is empty, off or zero; its own facts come last."""
    system = _os_release()
    registries = {
        "AllowNondistributableArtifactsCIDRs": [],
        "AllowNondistributableArtifactsHostnames": [],
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "IndexConfigs": {},
        "Mirrors": [],
    }
    return {
        "ID": "",
        "Containers": facts["Containers"],
        "ContainersRunning": facts["ContainersRunning"],
        "ContainersPaused": facts["ContainersPaused"],
        "ContainersStopped": facts["ContainersStopped"],
        "Images": facts["Images"],
        "Driver": facts["Driver"],
        "DriverStatus": _driver_status(facts["Ligan"]),
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file"],
        },
        **_limits(facts["Ligan"]["Controls"]),
        "IPv4Forwarding": _is_on("net/ipv4/ip_forward"),
        "BridgeNfIptables": _is_on("net/bridge/bridge-nf-call-iptables"),
        "BridgeNfIp6tables": _is_on("net/bridge/bridge-nf-call-ip6tables"),
        "Debug": False,
        "NFd": 0,
        "OomKillDisable": "memory.oom_control" in facts["Ligan"]["Controls"],
        "NGoroutines": 0,
        "SystemTime": now,
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": facts["CgroupVersion"],
        "NEventsListener": 0,
        "KernelVersion": facts["KernelVersion"],
        "OperatingSystem": system.get("PRETTY_NAME", "<unknown>"),
        "OSVersion": system.get("VERSION_ID", ""),
        "OSType": facts["OSType"],
        "Architecture": facts["Architecture"],
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": registries,
        "NCPU": facts["NCPU"],
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "GenericResources": None,
        "DockerRootDir": facts["DockerRootDir"],
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Name": facts["Name"],
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": __version__,
        "Runtimes": {name: {"path": path} for name, path in facts["Runtimes"].items()},
        "DefaultRuntime": facts["DefaultRuntime"],
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
        "LiveRestoreEnabled": False,
        "Isolation": "",
        "InitBinary": "",
        "ContainerdCommit": {"ID": "", "Expected": ""},
        "RuncCommit": {"ID": "", "Expected": ""},
        "InitCommit": {"ID": "", "Expected": ""},
        "SecurityOptions": ["name=seccomp,profile=default"],
        "Warnings": None,
        "Ligan": facts["Ligan"],
    }


def _limits(controls: Sequence[str]) -> dict[str, bool]:
    """Return which limits can be set. Those of the kernel's memory are refused for being obsolete."""
    can = {name: control in controls for name, control in _LIMITS.items()}
    return {
        "MemoryLimit": can.pop("MemoryLimit"),
        "SwapLimit": can.pop("SwapLimit"),
        "KernelMemory": False,
        "KernelMemoryTCP": False,
        **can,
    }


def _is_on(setting: str) -> bool:
    """Return whether a setting of the kernel, which may lack it, is on."""
    try:
        with open(f"/proc/sys/{setting}", "rb") as file:
            return file.read().strip() == b"1"
    except OSError:
        return False


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}  # a machine need not say; Docker then writes <unknown>


_LIMITS = {
    "MemoryLimit": "memory",
    "SwapLimit": "memory.memsw.limit_in_bytes",
    "CpuCfsPeriod": "cpu.cfs_quota_us",
    "CpuCfsQuota": "cpu.cfs_quota_us",
    "CPUShares": "cpu.shares",
    "CPUSet": "cpuset.cpus",
    "PidsLimit": "pids",
}
"""What Docker calls the limits that can be set, and what cgroup v1 does."""


def _driver_status(own: Mapping[str, Any]) -> list[list[str]]:
    """Return what `docker info` shows below the storage driver."""
    return [
        ["Blobs", str(own["Blobs"])],
        ["Blob Bytes", str(own["BlobBytes"])],
        ["Free Bytes", str(own["FreeBytes"])],
        ["Undo Entries", str(own["UndoEntries"])],
        ["Undo Bytes", str(own["UndoBytes"])],
        *([["Reason", own["DriverReason"]]] if own["DriverReason"] else []),
        *([["Runtime Reason", own["RuntimeReason"]]] if own["RuntimeReason"] else []),
    ]


async def _disk_usage(call: Call) -> StreamResponse:
    kinds = call.texts("type") if call.api >= 42 else []

    def usage(engine: Engine) -> dict[str, Any]:
        containers = [
            container_wire.row(item) for item in engine.list_containers({}, show_all=True, size=True)
        ]
        size = engine.disk_usage().layers_size
        volumes, cache = engine.volume_usage(), engine.build_cache()
        return wire.usage(engine.image_usage(), containers, volumes, cache, size, call.api, kinds)

    return answers.document(await call.engine.stream(usage))


async def _prune_cache(call: Call) -> StreamResponse:
    filters = wire.filters(call.text("filters"))
    keep = call.text("keep-storage") or "0"
    if not (keep.isascii() and keep.isdigit()):
        raise Invalid(f"keep-storage is in bytes and expects an integer, got {keep}")
    everything = call.on("all")
    pruned = await call.engine.stream(
        lambda engine: engine.prune_build_cache(filters, everything=everything, keep=int(keep)), call.command
    )
    names = [record.id for record in pruned.removed]
    return answers.document({"CachesDeleted": names or None, "SpaceReclaimed": pruned.bytes})


ROUTES: list[Route] = [
    ("GET", "/_ping", _ping),
    ("HEAD", "/_ping", _ping),
    ("GET", "/version", _version),
    ("GET", "/info", _info),
    ("GET", "/system/df", _disk_usage),
    ("POST", "/build/prune", _prune_cache),
    ("OPTIONS", "/{name}", _options),
]
