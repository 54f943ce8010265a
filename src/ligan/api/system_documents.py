"""What `version` and `info` tell of the engine, in Docker's fields: for the API and the command line."""

from __future__ import annotations

import os
import platform

from ligan import __version__
from ligan.api.router import API_VERSION, MIN_API_VERSION, dotted
from ligan.oci.platform import normalise
from ligan.oci.times import rfc3339nano

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def version_document() -> dict[str, Any]:
    """Return the document of `GET /version`."""
    import sqlite3

    host = platform.uname()
    api = {"ApiVersion": dotted(API_VERSION), "MinAPIVersion": dotted(MIN_API_VERSION)}
    machine = {
        "Os": "linux",
        "Arch": normalise("linux", host.machine).architecture,
        "KernelVersion": host.release,
    }
    libraries = {"PythonVersion": platform.python_version(), "SQLiteVersion": sqlite3.sqlite_version}
    details = {**api, **machine, **libraries, "Experimental": "false"}
    return {
        "Platform": {"Name": "Ligan"},
        "Components": [{"Name": "Engine", "Version": __version__, "Details": details}],
        "Version": __version__,
        **api,
        "GitCommit": "",
        "GoVersion": "",
        **machine,
        "BuildTime": "",
    }


def info_document(facts: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Return the document of `GET /info`, made of what the engine tells, at a time in nanoseconds since 1970.

    What Ligan has none of is empty, off or zero; its own facts come last.
    """
    system = _os_release()
    return {
        "ID": "",
        "Containers": facts["Containers"],
        "ContainersRunning": facts["ContainersRunning"],
        "ContainersPaused": facts["ContainersPaused"],
        "ContainersStopped": facts["ContainersStopped"],
        "Images": facts["Images"],
        "Driver": facts["Driver"],
        "DriverStatus": _driver_status(facts["Ligan"]),
        "Plugins": _PLUGINS,
        **_limits(facts["Ligan"]["Controls"]),
        "IPv4Forwarding": _is_on("net/ipv4/ip_forward"),
        "BridgeNfIptables": _is_on("net/bridge/bridge-nf-call-iptables"),
        "BridgeNfIp6tables": _is_on("net/bridge/bridge-nf-call-ip6tables"),
        "Debug": False,
        "NFd": 0,
        "OomKillDisable": "memory.oom_control" in facts["Ligan"]["Controls"],
        "NGoroutines": 0,
        "SystemTime": rfc3339nano(*divmod(now, 10**9)),
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
        "RegistryConfig": _registries(facts["InsecureRegistries"], facts["Mirrors"]),
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
        "Swarm": _NO_SWARM,
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


_PLUGINS = {
    "Volume": ["local"],
    "Network": ["bridge", "host", "null"],
    "Authorization": None,
    "Log": ["json-file"],
}
_NO_SWARM = {
    "NodeID": "",
    "NodeAddr": "",
    "LocalNodeState": "inactive",
    "ControlAvailable": False,
    "Error": "",
    "RemoteManagers": None,
}


def _registries(insecure: Sequence[str], mirrors: Sequence[str]) -> dict[str, Any]:
    """Return which registries need no certificate, and what is asked before Docker Hub is."""
    hosts = {"docker.io": {"Name": "docker.io", "Mirrors": mirrors, "Secure": True, "Official": True}}
    for name in insecure:
        if "/" not in name:
            hosts[name] = {"Name": name, "Mirrors": [], "Secure": False, "Official": False}
    return {
        "AllowNondistributableArtifactsCIDRs": [],
        "AllowNondistributableArtifactsHostnames": [],
        "InsecureRegistryCIDRs": [*[name for name in insecure if "/" in name], "127.0.0.0/8"],
        "IndexConfigs": hosts,
        "Mirrors": mirrors,
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
