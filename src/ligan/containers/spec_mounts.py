"""The mounts of an OCI specification: what every Linux container has, and what was asked for. Pure.

Source: engine 20.10, oci/defaults.go, daemon/oci_linux.go (WithMounts) and pkg/mount (MergeTmpfsOptions).
"""

from __future__ import annotations

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.containers.mounts import Mount
    from ligan.containers.spec import Container

_SHARED_MEMORY = "/dev/shm"  # noqa: S108  # a path in the container

_DEFAULTS = (
    ("/proc", "proc", "proc", "nosuid noexec nodev"),
    ("/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
    ("/dev/pts", "devpts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5"),
    ("/sys", "sysfs", "sysfs", "nosuid noexec nodev ro"),
    ("/sys/fs/cgroup", "cgroup", "cgroup", "ro nosuid noexec nodev"),
    ("/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev"),
    (_SHARED_MEMORY, "tmpfs", "shm", "nosuid noexec nodev mode=1777"),
)
_STAY_WRITABLE = ("/proc", "/dev/pts", _SHARED_MEMORY, "/dev/mqueue", "/dev")
"""With a read-only root these are not the root's."""


def mounts_of(container: Container, *, in_user_namespace: bool = False) -> tuple[list[dict[str, Any]], str]:
    """Return the mounts, in the order in which they are made, and the propagation that the root needs."""
    asked, propagation = _asked(container)
    taken = {mount["destination"] for mount in asked}
    defaults = _defaults(container, in_user_namespace=in_user_namespace)
    mounts = [mount for mount in defaults if not _is_replaced(mount["destination"], taken)]
    files = [
        _bind(path, source, writable=not container.host_config.get("ReadonlyRootfs"), propagation="rprivate")
        for path, source in container.files.items()
        if path not in taken
    ]
    shared = _shared_memory(container, taken)
    if container.host_config.get("ReadonlyRootfs"):
        for mount in mounts:
            if mount["destination"] not in _STAY_WRITABLE and "ro" not in mount["options"]:
                mount["options"].append("ro")
    return mounts + _in_order([*asked, *files, *shared]), propagation


def _in_order(mounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put what is mounted on something after it."""
    return sorted(mounts, key=lambda mount: mount["destination"].count("/"))


def _is_replaced(destination: str, taken: set[str]) -> bool:
    return destination in taken or ("/dev" in taken and destination.startswith("/dev/"))


def _defaults(container: Container, *, in_user_namespace: bool) -> list[dict[str, Any]]:
    mounts = []
    # A sysfs shows a network, and can be mounted by those who own it. The host's has its cgroups below it.
    binds_sys = in_user_namespace and container.mode("NetworkMode") == "host"
    for destination, kind, source, words in _DEFAULTS:
        options = words.split()
        if destination == _SHARED_MEMORY:
            if container.mode("IpcMode") != "private":
                continue
            options.append(f"size={container.host_config.get('ShmSize')}")
        if binds_sys and kind == "cgroup":
            continue
        if binds_sys and kind == "sysfs":
            mounts.append(_bind(destination, "/sys", writable=False, propagation="rslave"))
            continue
        if container.host_config.get("Privileged") and kind in ("sysfs", "cgroup"):
            options.remove("ro")
        mounts.append({"destination": destination, "type": kind, "source": source, "options": options})
    if container.has_init:
        mounts.append(
            {
                "destination": "/sbin/docker-init",
                "type": "bind",
                "source": container.init,
                "options": ["bind", "ro"],
            }
        )
    return mounts


def _shared_memory(container: Container, taken: set[str]) -> list[dict[str, Any]]:
    if container.mode("IpcMode") in ("private", "none") or _SHARED_MEMORY in taken:
        return []
    return [_bind(_SHARED_MEMORY, container.shm, writable=True, propagation="rprivate")]


def _asked(container: Container) -> tuple[list[dict[str, Any]], str]:
    binds: list[dict[str, Any]] = []
    memory: list[dict[str, Any]] = []
    propagation = ""
    for mount in container.mounts:
        if mount.type == "tmpfs":
            memory.append(_tmpfs(mount.destination, mount.options))
        else:
            binds.append(_of(mount))
            propagation = _needed(propagation, mount.propagation)
    tmpfs: Mapping[str, str] = container.host_config.get("Tmpfs") or {}
    memory += [_tmpfs(path, options) for path, options in tmpfs.items()]
    return binds + memory, propagation


def _of(mount: Mount) -> dict[str, Any]:
    return _bind(
        mount.destination,
        mount.source,
        writable=mount.rw,
        propagation=mount.propagation,
        recursive=mount.recursive,
    )


def _bind(
    destination: str, source: str, *, writable: bool, propagation: str, recursive: bool = True
) -> dict[str, Any]:
    options = ["rbind" if recursive else "bind"]
    if not writable:
        options.append("ro")
    if propagation:
        options.append(propagation)
    return {"destination": destination, "type": "bind", "source": source, "options": options}


def _needed(propagation: str, wanted: str) -> str:
    """Return the root's propagation once a mount wants this one: it must let mounts through."""
    if wanted in ("shared", "rshared"):
        return "shared"
    if wanted in ("slave", "rslave") and propagation != "shared":
        return "rslave"
    return propagation


def _tmpfs(destination: str, options: str) -> dict[str, Any]:
    words = ["noexec", "nosuid", "nodev", "rprivate", *(options.split(",") if options else ())]
    return {
        "destination": destination,
        "type": "tmpfs",
        "source": "tmpfs",
        "options": merge_tmpfs_options(words),
    }


# Words that say the same thing, or its opposite: the last of them counts.
_FLAGS = {
    word: kind
    for kind, words in enumerate(
        (
            "ro rw",
            "suid nosuid",
            "dev nodev",
            "exec noexec",
            "async sync",
            "dirsync",
            "remount",
            "mand nomand",
            "atime noatime",
            "diratime nodiratime",
            "bind",
            "rbind",
            "unbindable runbindable private rprivate shared rshared slave rslave",
            "relatime norelatime",
            "strictatime nostrictatime",
        )
    )
    for word in words.split()
}
_DATA = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol")


def merge_tmpfs_options(options: list[str]) -> list[str]:
    """Return mount options without those that later ones take back. Raises Invalid in Docker's words."""
    merged: list[str] = []
    seen: set[object] = set()
    for option in reversed(options):
        if option == "defaults":
            continue
        name, equals, _ = option.partition("=")
        kind: object = _FLAGS.get(option)
        if kind is None:
            if not equals or name not in _DATA:
                quoted = f'"{name}" "{option[len(name) + 1 :]}"' if equals else f'"{option}"'
                raise Invalid(f"invalid tmpfs option [{quoted}]")
            kind = name
        if kind not in seen:
            seen.add(kind)
            merged.append(option)
    return merged[::-1]
