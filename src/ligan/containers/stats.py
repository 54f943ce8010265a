"""One measurement of a running container, as Docker's stats document has it.

Source: engine 20.10, daemon/stats_unix.go and api/types/stats.go; what dockerd 20.10.24 answers.
"""

from __future__ import annotations

import os

from ligan.containers import cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_NANOSECOND_TICKS = 10**9 // os.sysconf("SC_CLK_TCK")
_GO_ZERO_TIME = "0001-01-01T00:00:00Z"
_NOTHING: dict[str, Any] = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
}
_BLKIO = (
    ("io_service_bytes_recursive", "blkio.throttle.io_service_bytes_recursive"),
    ("io_serviced_recursive", "blkio.throttle.io_serviced_recursive"),
    ("io_queue_recursive", "blkio.io_queued_recursive"),
    ("io_service_time_recursive", "blkio.io_service_time_recursive"),
    ("io_wait_time_recursive", "blkio.io_wait_time_recursive"),
    ("io_merged_recursive", "blkio.io_merged_recursive"),
    ("io_time_recursive", "blkio.time_recursive"),
    ("sectors_recursive", "blkio.sectors_recursive"),
)
_WITHOUT_LIMIT = 1 << 62
"""A limit of so many bytes is none: the kernel's largest, rounded down to pages."""


def measure(
    cgroup: str,
    pid: int,
    memory: int,
    *,
    read: str,
    name: str,
    container_id: str,
    networked: bool,
    previous: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the document for the cgroup (cgroupsPath) of a container whose first process is `pid`.

    `memory` is the machine's, in bytes; `read` the time, as RFC 3339; `name` has Docker's slash. `previous`
    is the measurement before. Of a container that has just ended, figures are 0.
    """
    folders = cgroups.folders(cgroup)
    whole = "unified" if folders.keys() == {"unified"} else ""
    document: dict[str, Any] = {
        "read": read,
        "preread": previous["read"] if previous else _GO_ZERO_TIME,
        "pids_stats": _pids(folders.get(whole or "pids", "")),
        "blkio_stats": _blkio_v2(folders[whole]) if whole else _blkio(folders.get("blkio", "")),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _cpu_v2(folders[whole]) if whole else _cpu(folders),
        "precpu_stats": previous["cpu_stats"] if previous else _NOTHING,
        "memory_stats": _memory_v2(folders[whole], memory) if whole else _memory(folders, memory),
        "name": name,
        "id": container_id,
    }
    if networked:
        document["networks"] = _networks(pid)
    return document


def empty(name: str, container_id: str) -> dict[str, Any]:
    """Return the document of a container that does not run."""
    return {
        "read": _GO_ZERO_TIME,
        "preread": _GO_ZERO_TIME,
        "pids_stats": {},
        "blkio_stats": {key: None for key, _ in _BLKIO},
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _NOTHING,
        "precpu_stats": _NOTHING,
        "memory_stats": {},
        "name": name,
        "id": container_id,
    }


def _pids(folder: str) -> dict[str, int]:
    current, limit = _number(f"{folder}/pids.current"), _number(f"{folder}/pids.max")
    pids = {"current": current} if current else {}
    return pids | ({"limit": limit} if limit else {})


def _cpu(folders: Mapping[str, str]) -> dict[str, Any]:
    accounting, cpu = folders.get("cpuacct") or folders.get("cpu", ""), folders.get("cpu", "")
    usage = _pairs(f"{accounting}/cpuacct.stat")
    throttling = _pairs(f"{cpu}/cpu.stat")
    per_cpu = [int(number) for number in _text(f"{accounting}/cpuacct.usage_percpu").split()]
    return _cpu_document(
        {
            "total_usage": _number(f"{accounting}/cpuacct.usage"),
            "percpu_usage": per_cpu,
            "usage_in_kernelmode": usage.get("system", 0) * _NANOSECOND_TICKS,
            "usage_in_usermode": usage.get("user", 0) * _NANOSECOND_TICKS,
        },
        throttling.get("nr_periods", 0),
        throttling.get("nr_throttled", 0),
        throttling.get("throttled_time", 0),
    )


def _cpu_v2(folder: str) -> dict[str, Any]:
    stat = _pairs(f"{folder}/cpu.stat")
    return _cpu_document(
        {
            "total_usage": stat.get("usage_usec", 0) * 1000,
            "usage_in_kernelmode": stat.get("system_usec", 0) * 1000,
            "usage_in_usermode": stat.get("user_usec", 0) * 1000,
        },
        stat.get("nr_periods", 0),
        stat.get("nr_throttled", 0),
        stat.get("throttled_usec", 0) * 1000,
    )


def _cpu_document(usage: dict[str, Any], periods: int, throttled: int, time: int) -> dict[str, Any]:
    return {
        "cpu_usage": usage,
        "system_cpu_usage": _system_cpu(),
        "online_cpus": os.cpu_count() or 1,
        "throttling_data": {"periods": periods, "throttled_periods": throttled, "throttled_time": time},
    }


def _system_cpu() -> int:
    """Return the nanoseconds that all CPUs have spent, idle too: the first eight numbers of /proc/stat."""
    line = _text("/proc/stat").partition("\n")[0]
    return sum(int(number) for number in line.split()[1:8]) * _NANOSECOND_TICKS


def _memory(folders: Mapping[str, str], machine: int) -> dict[str, Any]:
    folder = folders.get("memory")
    if folder is None:
        return {}
    limit = _number(f"{folder}/memory.limit_in_bytes")
    document: dict[str, Any] = {
        "usage": _number(f"{folder}/memory.usage_in_bytes"),
        "max_usage": _number(f"{folder}/memory.max_usage_in_bytes"),
        "stats": dict(
            sorted((key, value) for key, value in _pairs(f"{folder}/memory.stat").items() if key in _V1)
        ),
    }
    if failed := _number(f"{folder}/memory.failcnt"):
        document["failcnt"] = failed
    document["limit"] = machine if limit >= _WITHOUT_LIMIT or limit > machine else limit
    return document


_V1_OWN = """cache rss rss_huge mapped_file dirty writeback pgpgin pgpgout pgfault pgmajfault inactive_anon
    active_anon inactive_file active_file unevictable"""
_V1 = frozenset(
    ["hierarchical_memory_limit", "hierarchical_memsw_limit"]
    + [f"{prefix}{key}" for key in _V1_OWN.split() for prefix in ("", "total_")]
)
"""What Docker passes on of memory.stat; newer kernels have more."""


def _memory_v2(folder: str, machine: int) -> dict[str, Any]:
    limit = _number(f"{folder}/memory.max") or machine
    document: dict[str, Any] = {
        "usage": _number(f"{folder}/memory.current"),
        "stats": dict(sorted(_pairs(f"{folder}/memory.stat").items())),
    }
    if failed := _pairs(f"{folder}/memory.events").get("oom", 0):
        document["failcnt"] = failed
    document["limit"] = min(limit, machine)
    return document


def _blkio(folder: str) -> dict[str, Any]:
    return {key: _blkio_entries(_text(f"{folder}/{file}")) for key, file in _BLKIO}


def _blkio_entries(text: str) -> list[dict[str, Any]]:
    """Return the entries of a file with lines `8:0 Read 4096` or `8:0 4096`."""
    entries = []
    for fields in [line.split() for line in text.splitlines()]:
        major, colon, minor = fields[0].partition(":")
        if colon and len(fields) in (2, 3):
            operation = fields[1] if len(fields) == 3 else ""
            entries.append(_entry(int(major), int(minor), operation, int(fields[-1])))
    return entries


def _blkio_v2(folder: str) -> dict[str, Any]:
    """Return io.stat, with lines `8:0 rbytes=1 wbytes=2 rios=3 ...`, in the shape of version 1."""
    document: dict[str, Any] = {key: None for key, _ in _BLKIO}
    document["io_service_bytes_recursive"] = entries = []
    for fields in [line.split() for line in _text(f"{folder}/io.stat").splitlines()]:
        major, colon, minor = fields[0].partition(":")
        if colon:
            numbers = dict(field.split("=", 1) for field in fields[1:] if "=" in field)
            for key, operation in (("rbytes", "read"), ("wbytes", "write")):
                entries.append(_entry(int(major), int(minor), operation, int(numbers.get(key, 0))))
    return document


def _entry(major: int, minor: int, operation: str, value: int) -> dict[str, Any]:
    return {"major": major, "minor": minor, "op": operation, "value": value}


_NETWORK_COLUMNS = {
    "rx_bytes": 0,
    "rx_packets": 1,
    "rx_errors": 2,
    "rx_dropped": 3,
    "tx_bytes": 8,
    "tx_packets": 9,
    "tx_errors": 10,
    "tx_dropped": 11,
}


def _networks(pid: int) -> dict[str, Any]:
    """Return the counters of every interface but the loopback, in the process's network namespace."""
    networks: dict[str, Any] = {}
    for line in _text(f"/proc/{pid}/net/dev").splitlines()[2:]:
        name, _, numbers = line.partition(":")
        fields = numbers.split()
        if name.strip() != "lo" and len(fields) > max(_NETWORK_COLUMNS.values()):
            networks[name.strip()] = {key: int(fields[at]) for key, at in _NETWORK_COLUMNS.items()}
    return networks


def _pairs(path: str) -> dict[str, int]:
    fields = [line.split() for line in _text(path).splitlines()]
    return {field[0]: int(field[1]) for field in fields if len(field) == 2}


def _number(path: str) -> int:
    """Return the number in a file; 0 where there is none, or the word `max`."""
    text = _text(path).strip()
    return int(text) if text.isdecimal() else 0


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""
