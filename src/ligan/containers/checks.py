"""What Docker refuses when a container is made, and the defaults it fills in. Pure.

Mounts, names, ports, networks and restart policies are checked by their own modules.
Source: engine 20.10, daemon/container.go (verifyContainerSettings) and daemon/daemon_unix.go.
"""

from __future__ import annotations

from posixpath import normpath

from ligan.containers.capabilities import normalise
from ligan.containers.limits import fit_limits
from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.containers.host import Host

_MILLISECOND = 1_000_000
_SHM_SIZE = 64 << 20
_NAME_MOST, _PATH_MOST = 255, 1024


def check_text(document: object) -> None:
    """Raise Invalid for a text with a zero byte, wherever it is: neither kernel nor files take one."""
    if isinstance(document, str):
        if "\0" in document:
            raise Invalid(f"invalid container config: {document!r:.40} has a zero byte")
    elif isinstance(document, dict):
        check_text([*document.keys(), *document.values()])
    elif isinstance(document, list):
        for item in document:
            check_text(item)


def check_config(config: Mapping[str, Any]) -> None:
    """Raise Invalid in Docker's words for a Config that no container can have."""
    folder = config.get("WorkingDir") or ""
    if folder and not folder.startswith("/"):
        raise Invalid(f"the working directory '{folder}' is invalid, it needs to be an absolute path")
    if config.get("StopSignal"):
        from ligan.oci.signals import parse_signal

        parse_signal(config["StopSignal"])
    for variable in config.get("Env") or ():
        if not variable.partition("=")[0]:
            raise Invalid(f"invalid environment variable: {variable}")
    _check_health(config.get("Healthcheck") or {})


def _check_health(check: Mapping[str, Any]) -> None:
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        value = check.get(name) or 0
        if value and value < _MILLISECOND:
            raise Invalid(f"{name} in Healthcheck cannot be less than 1ms")
        if name == "Timeout" and (check.get("Retries") or 0) < 0:
            raise Invalid("Retries in Healthcheck cannot be negative")


def check_host_config(host_config: Mapping[str, Any]) -> None:
    """Raise Invalid in Docker's words for a HostConfig that no container can have."""
    for field in ("CapAdd", "CapDrop"):
        normalise(host_config.get(field) or (), field)
    if host_config.get("Isolation") not in (None, "", "default"):
        raise Invalid(f"Invalid isolation: \"{host_config['Isolation']}\" - linux only supports 'default'")
    if (host_config.get("ShmSize") or 0) < 0:
        raise Invalid("SHM size can not be less than 0")
    adjustment = host_config.get("OomScoreAdj") or 0
    if not -1000 <= adjustment <= 1000:
        raise Invalid(f"Invalid value {adjustment}, range for oom score adj is [-1000, 1000]")
    for path in host_config.get("Tmpfs") or ():
        _check_tmpfs(path)
    if host_config.get("CgroupnsMode") not in (None, "", "host", "private"):
        raise Invalid(f"invalid cgroup namespace mode: {host_config['CgroupnsMode']}")
    mode = host_config.get("IpcMode") or ""
    if mode not in ("", "none", "host", "private", "shareable") and not mode.startswith("container:"):
        raise Invalid(f"Invalid IPC mode: {mode}")
    _check_cgroup(host_config.get("CgroupParent") or "")
    for option in host_config.get("StorageOpt") or ():
        if option.lower() != "size":
            raise Invalid(f"Unknown option {option}")
        raise Invalid("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")
    parse_security(host_config)


def _check_cgroup(parent: str) -> None:
    """A cgroup is a folder, and what cannot be looked up could not be taken away either."""
    parts = parent.split("/")
    if ".." in parts or len(parent) > _PATH_MOST or any(len(part.encode()) > _NAME_MOST for part in parts):
        raise Invalid(f"invalid cgroup parent: {parent}")


def _check_tmpfs(path: str) -> None:
    if normpath(path) == "/":
        raise Invalid("invalid specification: destination can't be '/'")
    if not path.startswith("/"):
        raise Invalid(f"invalid mount path: '{path}' mount path must be absolute")


def fill_in(host_config: Mapping[str, Any], host: Host) -> tuple[dict[str, Any], list[str]]:
    """Return a HostConfig with Docker's defaults and without limits that this machine lacks, and warnings.

    Raises Invalid for limits that cannot be.
    """
    filled = dict(host_config)
    if (filled.get("Memory") or 0) > 0 and not filled.get("MemorySwap"):
        filled["MemorySwap"] = 2 * filled["Memory"]
    changes, warnings = fit_limits(filled, host)
    filled |= changes
    filled["ShmSize"] = filled.get("ShmSize") or _SHM_SIZE
    filled["IpcMode"] = filled.get("IpcMode") or "private"
    if not filled.get("CgroupnsMode"):
        private = host.cgroups == "v2" and not filled.get("Privileged")
        filled["CgroupnsMode"] = "private" if private else "host"
    filled["SecurityOpt"] = _with_label(filled)
    if filled.get("OomKillDisable") is None:
        filled["OomKillDisable"] = False
    if filled.get("PidsLimit") is not None and filled["PidsLimit"] <= 0:
        filled["PidsLimit"] = None
    if filled.get("MemorySwappiness") == -1:
        filled["MemorySwappiness"] = None
    return filled, warnings


def _with_label(host_config: Mapping[str, Any]) -> list[str] | None:
    """Return SecurityOpt with what Docker adds where namespaces of the host, or all rights, are given."""
    options = host_config.get("SecurityOpt")
    is_open = host_config.get("Privileged") or "host" in (host_config["IpcMode"], host_config.get("PidMode"))
    if not is_open or any(option.partition("=")[0] == "label" for option in options or ()):
        return options
    return [*(options or ()), "label=disable"]


def parse_security(host_config: Mapping[str, Any]) -> dict[str, str]:
    """Return `--security-opt` by name; "no-new-privileges" is there only where it is wanted.

    Raises Invalid in Docker's words.
    """
    options: dict[str, str] = {}
    for option in host_config.get("SecurityOpt") or ():
        if option == "no-new-privileges":
            options[option] = "true"
            continue
        if option == "disable":  # of SELinux labels
            continue
        name, separator, value = option.partition("=" if "=" in option else ":")
        if not separator:
            raise Invalid(f'invalid --security-opt 1: "{option}"')
        if name == "no-new-privileges":
            if value not in _TRUE + _FALSE:
                raise Invalid(f'invalid --security-opt 2: "{option}"')
            if value in _TRUE:
                options[name] = "true"
        elif name in ("label", "apparmor", "seccomp"):
            options[name] = value
        else:
            raise Invalid(f'invalid --security-opt 2: "{option}"')
    return options


# What Go's strconv.ParseBool takes.
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
