"""What this machine offers to containers: read once, passed to the pure code that makes specifications."""

from __future__ import annotations

import os
import stat

from ligan.containers.capabilities import of_mask
from ligan.layers.namespaces import in_user_namespace
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_GO_MACHINES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "i686": "386",
    "i386": "386",
}

_CGROUPS = "/sys/fs/cgroup"


class Host(Value):
    """Facts of one machine.

    `cgroups` is "v1" (also where v1 and v2 are mixed: the controllers are v1's) or "v2". `machine` is Go's
    name of the architecture, `kernel` the first two numbers of its version. `capabilities` are those that a
    process can have at all. `controls` names the limits that can be set, as they are called below
    /sys/fs/cgroup: none in a user namespace, which has no cgroups of its own. `apparmor` are the names of
    the profiles that are loaded; empty without AppArmor.
    """

    cgroups: str
    machine: str
    kernel: tuple[int, int]
    capabilities: tuple[str, ...]
    cpus: int
    cpuset_cpus: str
    cpuset_mems: str
    memory: int
    controls: frozenset[str]
    apparmor: frozenset[str]
    uid: int
    in_user_namespace: bool = False

    @classmethod
    def read(cls) -> Host:
        """Ask the kernel."""
        name, is_nested = os.uname(), in_user_namespace()
        cgroups = "v2" if os.path.exists(f"{_CGROUPS}/cgroup.controllers") else "v1"
        cpus, mems = _cpuset(cgroups)
        return cls(
            cgroups=cgroups,
            machine=_GO_MACHINES.get(name.machine, name.machine),
            kernel=_version(name.release),
            capabilities=of_mask(_bounding()),
            cpus=os.cpu_count() or 1,
            cpuset_cpus=cpus,
            cpuset_mems=mems,
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            controls=frozenset() if is_nested else _controls(cgroups),
            apparmor=_apparmor(),
            uid=os.geteuid(),
            in_user_namespace=is_nested,
        )

    def has(self, control: str) -> bool:
        """Return whether a limit can be set, by the name of its file in cgroup v1."""
        return control in self.controls


def _version(release: str) -> tuple[int, int]:
    major, minor = [*release.split("."), "0"][:2]
    digits = minor[: len(minor) - len(minor.lstrip("0123456789"))]
    return int(major), int(digits or "0")


def _bounding() -> int:
    for line in _text("/proc/self/status").splitlines():
        if line.startswith("CapBnd:"):
            return int(line.split()[1], 16)
    return 0


_V1_CONTROLS = {
    "memory": ("limit_in_bytes", "soft_limit_in_bytes", "memsw.limit_in_bytes", "swappiness", "oom_control"),
    "cpu": ("shares", "cfs_quota_us"),
    "cpuset": ("cpus",),
    "pids": (),
    "blkio": (
        "weight",
        "weight_device",
        "throttle.read_bps_device",
        "throttle.write_bps_device",
        "throttle.read_iops_device",
        "throttle.write_iops_device",
    ),
}
_V2_CONTROLS = {
    "memory": ("limit_in_bytes", "soft_limit_in_bytes", "memsw.limit_in_bytes"),
    "cpu": ("shares", "cfs_quota_us"),
    "cpuset": ("cpus",),
    "pids": (),
    "io": (
        "throttle.read_bps_device",
        "throttle.write_bps_device",
        "throttle.read_iops_device",
        "throttle.write_iops_device",
    ),
}


def _controls(cgroups: str) -> frozenset[str]:
    """Return the limits that can be set, by their names in cgroup v1, such as `memory.swappiness`."""
    if cgroups == "v2":
        there = _text(f"{_CGROUPS}/cgroup.controllers").split()
        known = {"io": "blkio"}
        found = [(known.get(name, name), _V2_CONTROLS[name]) for name in there if name in _V2_CONTROLS]
        return frozenset([name for name, _ in found]).union(
            *[{f"{name}.{file}" for file in files} for name, files in found]
        )
    controls: set[str] = set()
    for name, files in _V1_CONTROLS.items():
        try:
            there = os.listdir(f"{_CGROUPS}/{name}")
        except OSError:
            continue  # this controller is not mounted
        controls.add(name)
        controls.update([f"{name}.{file}" for file in files if f"{name}.{file}" in there])
    return frozenset(controls)


def _cpuset(cgroups: str) -> tuple[str, str]:
    """Return the CPUs and the memory nodes that there are, as lists such as `0-3,8`."""
    names = ("cpuset.cpus.effective", "cpuset.mems.effective")
    folder = _CGROUPS if cgroups == "v2" else f"{_CGROUPS}/cpuset"
    if cgroups == "v1":
        names = ("cpuset.cpus", "cpuset.mems")
    cpus, mems = [_text(f"{folder}/{name}").strip() for name in names]
    return cpus, mems


def _apparmor() -> frozenset[str]:
    if _text("/sys/module/apparmor/parameters/enabled").strip() != "Y":
        return frozenset()
    lines = _text("/sys/kernel/security/apparmor/profiles").splitlines()
    return frozenset([line.rpartition(" (")[0] for line in lines])


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


class Device(Value):
    """A device file; `kind` is `c` or `b`, `mode` its permission bits."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


def devices(path: str) -> list[Device]:
    """Return the device at a path, following links, or all below a folder, by their names.

    Empty where the path is neither. Raises OSError where there is nothing.
    """
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        return list(_below(path))
    return [_device(path, found)] if _is_device(found) else []


_SKIPPED_FOLDERS = ("pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev")
"""Folders of /dev that a container has of its own, or that hold no devices (runc, libcontainer/devices)."""


def _below(folder: str) -> Iterator[Device]:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _SKIPPED_FOLDERS:
                yield from _below(entry.path)
        elif entry.name != "console":
            found = entry.stat(follow_symlinks=False)
            if _is_device(found):
                yield _device(entry.path, found)


def _is_device(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)


def _device(path: str, found: os.stat_result) -> Device:
    return Device(
        path=path,
        kind="c" if stat.S_ISCHR(found.st_mode) else "b",
        major=os.major(found.st_rdev),
        minor=os.minor(found.st_rdev),
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
    )
