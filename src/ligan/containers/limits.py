"""Limits of a container: what Docker refuses or leaves out, and the resources of an OCI specification. Pure.

Source: engine 20.10, daemon/daemon_unix.go (verifyPlatformContainerResources) and daemon/oci_linux.go.
"""

from __future__ import annotations

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ligan.containers.host import Host

_MIB = 1 << 20
_LEAST_MEMORY = 6 * _MIB
_NANO_CPU = 10**9
_CFS_PERIOD = 100_000  # microseconds: the period that --cpus is a share of

# What the kernel cannot do is left out, with a warning: the limit's name, what it needs, what takes its
# place, and Docker's words.
_NEEDS: tuple[tuple[str, str, object, str], ...] = (
    (
        "Memory",
        "memory",
        0,
        "Your kernel does not support memory limit capabilities or the cgroup is not mounted. "
        "Limitation discarded.",
    ),
    (
        "MemorySwap",
        "memory.memsw.limit_in_bytes",
        -1,
        "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
        "Memory limited without swap.",
    ),
    (
        "MemorySwappiness",
        "memory.swappiness",
        None,
        "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. "
        "Memory swappiness discarded.",
    ),
    (
        "MemoryReservation",
        "memory.soft_limit_in_bytes",
        0,
        "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. "
        "Limitation discarded.",
    ),
    (
        "OomKillDisable",
        "memory.oom_control",
        False,
        "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
    ),
    (
        "PidsLimit",
        "pids",
        None,
        "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. "
        "PIDs limit discarded.",
    ),
    (
        "CpuShares",
        "cpu.shares",
        0,
        "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.",
    ),
    (
        "CpuPeriod",
        "cpu.cfs_quota_us",
        0,
        "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.",
    ),
    (
        "CpuQuota",
        "cpu.cfs_quota_us",
        0,
        "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.",
    ),
    (
        "CpusetCpus",
        "cpuset",
        "",
        "Your kernel does not support cpuset or the cgroup is not mounted. CPUset discarded.",
    ),
    (
        "CpusetMems",
        "cpuset",
        "",
        "Your kernel does not support cpuset or the cgroup is not mounted. CPUset discarded.",
    ),
    (
        "BlkioWeight",
        "blkio.weight",
        0,
        "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.",
    ),
    (
        "BlkioWeightDevice",
        "blkio.weight_device",
        [],
        "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. "
        "Weight-device discarded.",
    ),
    (
        "BlkioDeviceReadBps",
        "blkio.throttle.read_bps_device",
        [],
        "Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. "
        "Block I/O BPS read limit discarded.",
    ),
    (
        "BlkioDeviceWriteBps",
        "blkio.throttle.write_bps_device",
        [],
        "Your kernel does not support BPS Block I/O write limit or the cgroup is not mounted. "
        "Block I/O BPS write limit discarded.",
    ),
    (
        "BlkioDeviceReadIOps",
        "blkio.throttle.read_iops_device",
        [],
        "Your kernel does not support IOPS Block read limit or the cgroup is not mounted. "
        "Block I/O IOPS read limit discarded.",
    ),
    (
        "BlkioDeviceWriteIOps",
        "blkio.throttle.write_iops_device",
        [],
        "Your kernel does not support IOPS Block I/O write limit or the cgroup is not mounted. "
        "Block I/O IOPS write limit discarded.",
    ),
)


def fit_limits(
    host_config: Mapping[str, Any], host: Host, *, update: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Return the limits that differ from what was asked for, and warnings.

    Limits that this machine does not have are left out. With `update` it is a change of a running
    container. Raises Invalid in Docker's words for limits that nobody could set.
    """
    _check_least_memory(host_config)
    changes: dict[str, Any] = {}
    warnings: list[str] = []
    for name, control, instead, words in _NEEDS:
        asked = host_config.get(name)
        # Docker's client always sends a swappiness: -1 is none.
        unlimited = (
            name in ("MemorySwap", "MemorySwappiness", "PidsLimit") and asked is not None and asked <= 0
        )
        if asked and not unlimited and not host.has(control):
            changes[name] = instead
            if words not in warnings:
                warnings.append(words)
    fitted = {**host_config, **changes}
    _check_memory(fitted, update=update)
    _check_cpu(fitted, host)
    if fitted.get("OomKillDisable") and not fitted.get("Memory"):
        warnings.append(
            "OOM killer is disabled for the container, but no memory limit is set, "
            "this can result in the system running out of resources."
        )
    if (fitted.get("KernelMemory") or 0) > 0:
        warnings.append(
            "Specifying a kernel memory limit is deprecated and will be removed in a future release."
        )
    weight = fitted.get("BlkioWeight") or 0
    if weight and not 10 <= weight <= 1000:
        raise Invalid("Range of blkio weight is from 10 to 1000")
    return changes, warnings


def _check_least_memory(limits: Mapping[str, Any]) -> None:
    for name, what in (
        ("Memory", "memory limit"),
        ("MemoryReservation", "memory reservation"),
        ("KernelMemory", "kernel memory limit"),
    ):
        asked = limits.get(name) or 0
        if asked and asked < _LEAST_MEMORY and (asked > 0 or name == "Memory"):
            raise Invalid(f"Minimum {what} allowed is 6MB")


def _check_memory(limits: Mapping[str, Any], *, update: bool) -> None:
    memory, swap = limits.get("Memory") or 0, limits.get("MemorySwap") or 0
    if memory > 0 and 0 < swap < memory:
        raise Invalid("Minimum memoryswap limit should be larger than memory limit, see usage")
    if memory == 0 and swap > 0 and not update:
        raise Invalid("You should always set the Memory limit when using Memoryswap limit, see usage")
    swappiness = limits.get("MemorySwappiness")
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise Invalid(f"Invalid value: {swappiness}, valid memory swappiness range is 0-100")
    reservation = limits.get("MemoryReservation") or 0
    if 0 < memory < reservation:
        raise Invalid("Minimum memory limit can not be less than memory reservation limit, see usage")


def _check_cpu(limits: Mapping[str, Any], host: Host) -> None:
    nano, period, quota = [limits.get(name) or 0 for name in ("NanoCpus", "CpuPeriod", "CpuQuota")]
    if nano > 0 and period > 0:
        raise Invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    if nano > 0 and quota > 0:
        raise Invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
    if nano > 0 and not host.has("cpu.cfs_quota_us"):
        raise Invalid(
            "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler "
            "or the cgroup is not mounted"
        )
    if not 0 <= nano <= host.cpus * _NANO_CPU:
        raise Invalid(
            f"Range of CPUs is from 0.01 to {host.cpus}.00, as there are only {host.cpus} CPUs available"
        )
    if period and not 1000 <= period <= 1_000_000:
        raise Invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < quota < 1000:
        raise Invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    _check_cpuset(limits.get("CpusetCpus") or "", host.cpuset_cpus, "cpuset cpus", "CPUs")
    _check_cpuset(limits.get("CpusetMems") or "", host.cpuset_mems, "cpuset mems", "memory nodes")


def _check_cpuset(asked: str, available: str, what: str, plural: str) -> None:
    try:
        wanted = parse_cpuset(asked)
    except ValueError as error:
        raise Invalid(f"Invalid value {asked} for {what}: {error}") from None
    if not wanted <= parse_cpuset(available):
        raise Invalid(f"Requested {plural} are not available - requested {asked}, available: {available}")


_MOST_CPUS = 8192  # engine 20.10, pkg/parsers (ParseUintListMaximum)


def parse_cpuset(text: str) -> set[int]:
    """Return the numbers of a list such as `0-3,8`. Raises ValueError in Docker's words."""
    numbers: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise ValueError(f"invalid format: {text}")
        low, high = int(first), int(last or first)
        if low > high:
            raise ValueError(f"invalid format: {text}")
        if high > _MOST_CPUS:
            raise ValueError(f"value of out range, maximum is {_MOST_CPUS}")
        numbers.update(range(low, high + 1))
    return numbers


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def resources(limits: Mapping[str, Any], device_number: Callable[[str], tuple[int, int]]) -> dict[str, Any]:
    """Return the limits as an OCI specification has them, the same for cgroup v1 and v2.

    The runtime translates them for v2. `device_number` gives the major and minor number of a path.
    """
    result: dict[str, Any] = {"memory": _memory(limits), "cpu": _cpu(limits)}
    pids = limits.get("PidsLimit") or 0
    if pids > 0:
        result["pids"] = {"limit": pids}
    result["blockIO"] = _block_io(limits, device_number)
    return result


def _memory(limits: Mapping[str, Any]) -> dict[str, Any]:
    memory: dict[str, Any] = {}
    for key, name in (("limit", "Memory"), ("reservation", "MemoryReservation"), ("swap", "MemorySwap")):
        if (limits.get(name) or 0) > 0:
            memory[key] = limits[name]
    if limits.get("KernelMemory"):
        memory["kernel"] = limits["KernelMemory"]
    if limits.get("KernelMemoryTCP"):
        memory["kernelTCP"] = limits["KernelMemoryTCP"]
    if limits.get("MemorySwappiness") not in (None, -1):
        memory["swappiness"] = limits["MemorySwappiness"]
    if limits.get("OomKillDisable") is not None:
        memory["disableOOMKiller"] = limits["OomKillDisable"]
    return memory


def _cpu(limits: Mapping[str, Any]) -> dict[str, Any]:
    shares = limits.get("CpuShares") or 0
    if shares < 0:
        raise Invalid("shares: invalid argument")
    cpu: dict[str, Any] = {"shares": shares}
    nano = limits.get("NanoCpus") or 0
    if nano > 0:
        cpu |= {"quota": nano * _CFS_PERIOD // _NANO_CPU, "period": _CFS_PERIOD}
    for key, name in (
        ("cpus", "CpusetCpus"),
        ("mems", "CpusetMems"),
        ("quota", "CpuQuota"),
        ("period", "CpuPeriod"),
        ("realtimePeriod", "CpuRealtimePeriod"),
        ("realtimeRuntime", "CpuRealtimeRuntime"),
    ):
        if limits.get(name):
            cpu[key] = limits[name]
    return cpu


_THROTTLES = (
    ("throttleReadBpsDevice", "BlkioDeviceReadBps"),
    ("throttleWriteBpsDevice", "BlkioDeviceWriteBps"),
    ("throttleReadIOPSDevice", "BlkioDeviceReadIOps"),
    ("throttleWriteIOPSDevice", "BlkioDeviceWriteIOps"),
)


def _block_io(limits: Mapping[str, Any], device_number: Callable[[str], tuple[int, int]]) -> dict[str, Any]:
    block: dict[str, Any] = {"weight": limits.get("BlkioWeight") or 0}
    for key, name, value in (
        ("weightDevice", "BlkioWeightDevice", "Weight"),
        *[(key, name, "Rate") for key, name in _THROTTLES],
    ):
        entries = [
            (*device_number(entry.get("Path") or ""), entry.get(value) or 0)
            for entry in limits.get(name) or ()
        ]
        if entries:
            block[key] = [
                {"major": major, "minor": minor, value.lower(): number} for major, minor, number in entries
            ]
    return block
