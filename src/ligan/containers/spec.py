"""Docker's Config and HostConfig -> the OCI runtime specification of a container. Pure.

Source: engine 20.10, daemon/oci_linux.go and oci/defaults.go, compared with what dockerd 20.10.24 writes
(tests/unit/containers/data/dockerd_specs.json.xz).
"""

from __future__ import annotations

from ligan.containers import capabilities, limits
from ligan.containers.checks import parse_security
from ligan.containers.spec_mounts import mounts_of
from ligan.errors import Invalid, Unavailable
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from ligan.containers.host import Device, Host
    from ligan.containers.mounts import Mount
    from ligan.containers.users import User

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INIT = "/sbin/docker-init"
"""Where a container finds the init process of `--init`."""

_APPARMOR_DEFAULT = "docker-default"

_UNLIMITED = (1 << 64) - 1
"""What -1 means of a ulimit: Docker gives the runtime its 64 bits as a number without a sign."""

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class Container(Value):
    """What a specification is made from.

    `config` and `host_config` are Docker's documents, checked and filled in (`checks`). `rootfs` is the
    mounted root file system. `mounts` have their sources. `files` are paths on the host by the path in the
    container: hostname, hosts, resolv.conf. Namespaces are paths such as /proc/PID/ns/net, empty for one of
    the container's own; they are for `container:X` and for networks that were set up before. `shm` is the
    folder that becomes /dev/shm where it is shared. `init` is the host's init program, `linked` are the
    variables of links.
    """

    id: str
    config: Mapping[str, Any]
    host_config: Mapping[str, Any]
    rootfs: str
    user: User
    mounts: Sequence[Mount] = ()
    files: Mapping[str, str] = {}
    network_namespace: str = ""
    pid_namespace: str = ""
    ipc_namespace: str = ""
    shm: str = ""
    init: str = ""
    linked: Sequence[str] = ()

    def mode(self, name: str) -> str:
        """Return `PidMode`, `IpcMode`, `UTSMode`, `NetworkMode` or `CgroupnsMode`."""
        mode: str = self.host_config.get(name) or ""
        return mode

    def joins(self, name: str) -> bool:
        """Return whether the container takes part in another one's namespace."""
        return self.mode(name).startswith("container:")

    @property
    def has_init(self) -> bool:
        """Whether an init process comes first: never where others have the first PID."""
        return bool(self.host_config.get("Init")) and not self.mode("PidMode")


def runtime_spec(
    container: Container, host: Host, devices: Callable[[str], Sequence[Device]]
) -> dict[str, Any]:
    """Return the document of config.json. `devices` gives what is at a path of the host.

    Raises Invalid in Docker's words for what only shows when a container starts, Unavailable where `--init`
    has no program.
    """
    process = _process(container, host)
    spec: dict[str, Any] = {
        "ociVersion": "1.0.2-dev",
        "process": process,
        "root": {"path": container.rootfs},
    }
    if container.host_config.get("ReadonlyRootfs"):
        spec["root"]["readonly"] = True
    if container.mode("UTSMode") != "host":
        spec["hostname"] = container.config.get("Hostname") or ""
    spec["mounts"], propagation = mounts_of(container, in_user_namespace=host.in_user_namespace)
    spec["linux"] = _linux(container, host, devices, process)
    if propagation:
        spec["linux"]["rootfsPropagation"] = propagation
    return spec


def _process(container: Container, host: Host) -> dict[str, Any]:
    config, host_config = container.config, container.host_config
    process: dict[str, Any] = {
        "user": container.user.document(),
        "args": _arguments(container),
        "env": environment(config, tty=bool(config.get("Tty")), linked=container.linked),
        "cwd": config.get("WorkingDir") or "/",
        "capabilities": _capability_sets(container, host),
        "oomScoreAdj": host_config.get("OomScoreAdj") or 0,
    }
    if config.get("Tty"):
        process["terminal"] = True
    rlimits = [
        {
            "type": f"RLIMIT_{(limit.get('Name') or '').upper()}",
            "hard": (limit.get("Hard") or 0) & _UNLIMITED,
            "soft": (limit.get("Soft") or 0) & _UNLIMITED,
        }
        for limit in host_config.get("Ulimits") or ()
    ]
    if rlimits:
        process["rlimits"] = rlimits
    security = parse_security(host_config)
    if "no-new-privileges" in security:
        process["noNewPrivileges"] = True
    if profile := _apparmor_profile(container, host, security):
        process["apparmorProfile"] = profile
    return process


def _arguments(container: Container) -> list[str]:
    config = container.config
    arguments = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
    if not container.has_init:
        return arguments
    if not container.init:
        raise Unavailable(
            "no init process found: docker-init, catatonit or tini",
            "Install one of them: apt-get install tini",
        )
    return [INIT, "--", *arguments]


def environment(
    config: Mapping[str, Any], *, tty: bool, linked: Iterable[str] = (), more: Iterable[str] = ()
) -> list[str]:
    """Return the variables of a process: Docker's own, those of links, of the image and run, and `more`.

    A name without a value removes what Docker sets. HOME comes from the runtime, which reads passwd.
    """
    own = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={config.get('Hostname') or ''}"]
    if tty:
        own.append("TERM=xterm")
    return _overridden(_overridden([*own, *linked], config.get("Env") or ()), more)


def _overridden(variables: Sequence[str], others: Iterable[str]) -> list[str]:
    result: list[str | None] = list(variables)
    at = {variable.partition("=")[0]: index for index, variable in enumerate(variables)}
    for other in others:
        name, equals, _ = other.partition("=")
        if not equals:
            if name in at:
                result[at[name]] = None
        elif name in at:
            result[at[name]] = other
        else:
            result.append(other)
    return [variable for variable in result if variable is not None]


def _capability_sets(container: Container, host: Host) -> dict[str, list[str]]:
    held = _capabilities(container.host_config, host)
    sets = {"bounding": held}
    if container.user.uid == 0:  # others get them by running files that have them, if at all
        sets |= {"effective": held, "permitted": held}
    return sets


def _capabilities(host_config: Mapping[str, Any], host: Host) -> list[str]:
    return capabilities.resolve(
        host_config.get("CapAdd") or (),
        host_config.get("CapDrop") or (),
        host.capabilities,
        privileged=bool(host_config.get("Privileged")),
    )


def _apparmor_profile(container: Container, host: Host, security: Mapping[str, str]) -> str:
    if not host.apparmor:
        return ""
    if "apparmor" in security:
        return security["apparmor"]
    if container.host_config.get("Privileged"):
        return "unconfined"
    return _APPARMOR_DEFAULT if _APPARMOR_DEFAULT in host.apparmor else ""


def _linux(
    container: Container,
    host: Host,
    devices: Callable[[str], Sequence[Device]],
    process: Mapping[str, Any],
) -> dict[str, Any]:
    host_config = container.host_config
    privileged = bool(host_config.get("Privileged"))
    nodes, rules = _devices(host_config, devices)
    linux: dict[str, Any] = {
        "sysctl": _sysctls(container, host),
        "resources": {
            "devices": rules,
            **limits.resources(host_config, lambda path: _number_of(path, devices)),
        },
        "namespaces": _namespaces(container),
    }
    if not host.in_user_namespace:  # else the runtime makes one where it may, and none where it may not
        linux["cgroupsPath"] = cgroup_path(container.id, host_config)
    if nodes:
        linux["devices"] = nodes
    if not privileged:
        for key, name, default in (
            ("maskedPaths", "MaskedPaths", MASKED_PATHS),
            ("readonlyPaths", "ReadonlyPaths", READONLY_PATHS),
        ):
            paths = host_config.get(name)
            if paths is None:
                linux[key] = list(default)
            elif paths:
                linux[key] = paths
        if filter_ := _seccomp(host_config, host, process["capabilities"]["bounding"]):
            linux["seccomp"] = filter_
    return linux


def cgroup_path(container_id: str, host_config: Mapping[str, Any]) -> str:
    """Return the container's cgroup, as a path below the root of each hierarchy."""
    parent = host_config.get("CgroupParent") or "/ligan"
    return f"/{parent.strip('/')}/{container_id}"


def _sysctls(container: Container, host: Host) -> dict[str, str]:
    sysctls: dict[str, str] = {}
    if container.mode("NetworkMode") != "host" and not container.joins("NetworkMode"):
        sysctls["net.ipv4.ip_unprivileged_port_start"] = "0"
        if not host.in_user_namespace:  # which does not have so many
            sysctls["net.ipv4.ping_group_range"] = "0 2147483647"
    if container.config.get("Domainname") and container.mode("UTSMode") != "host":
        sysctls["kernel.domainname"] = container.config["Domainname"]
    return sysctls | (container.host_config.get("Sysctls") or {})


def _namespaces(container: Container) -> list[dict[str, str]]:
    namespaces = [{"type": "mount"}]
    for kind, mode, path in (
        ("network", "NetworkMode", container.network_namespace),
        ("uts", "UTSMode", ""),
        ("pid", "PidMode", container.pid_namespace),
        ("ipc", "IpcMode", container.ipc_namespace),
    ):
        if container.mode(mode) != "host":
            namespaces.append({"type": kind, "path": path} if path else {"type": kind})
    if container.mode("CgroupnsMode") == "private":
        namespaces.append({"type": "cgroup"})
    return namespaces


# Every container may use null, zero, full, random, urandom, tty and console, and no FUSE. Full and console
# are among them by what runtimes add; the order is Docker's.
_DEVICE_RULES: tuple[tuple[bool, int, int], ...] = (
    (True, 1, 5),
    (True, 1, 3),
    (True, 1, 9),
    (True, 1, 8),
    (True, 5, 0),
    (True, 5, 1),
    (False, 10, 229),
)


def _devices(
    host_config: Mapping[str, Any], devices: Callable[[str], Sequence[Device]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return device files to make, and rules of what may be used."""
    if host_config.get("Privileged"):
        return [_node(device, device.path) for device in devices("/dev")], [{"allow": True, "access": "rwm"}]
    rules: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    rules += [
        {"allow": allow, "type": "c", "major": major, "minor": minor, "access": "rwm"}
        for allow, major, minor in _DEVICE_RULES
    ]
    nodes: list[dict[str, Any]] = []
    for mapping in host_config.get("Devices") or ():
        there = mapping.get("PathOnHost") or ""
        for device in _found(there, devices):
            nodes.append(_node(device, (mapping.get("PathInContainer") or "") + device.path[len(there) :]))
            rules.append(
                {
                    "allow": True,
                    "type": device.kind,
                    "major": device.major,
                    "minor": device.minor,
                    "access": mapping.get("CgroupPermissions") or "",
                }
            )
    return nodes, rules + [_device_rule(rule) for rule in host_config.get("DeviceCgroupRules") or ()]


def _found(path: str, devices: Callable[[str], Sequence[Device]]) -> Sequence[Device]:
    what = f'error gathering device information while adding custom device "{path}"'
    try:
        found = devices(path)
    except OSError as error:
        raise Invalid(f"{what}: {(error.strerror or '').lower()}") from None
    if not found:
        raise Invalid(f"{what}: not a device node")
    return found


def _number_of(path: str, devices: Callable[[str], Sequence[Device]]) -> tuple[int, int]:
    try:
        found = devices(path)
    except OSError as error:
        raise Invalid(f"stat {path}: {(error.strerror or '').lower()}") from None
    return (found[0].major, found[0].minor) if found else (0, 0)


def _node(device: Device, path: str) -> dict[str, Any]:
    return {
        "path": path,
        "type": device.kind,
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode,
        "uid": device.uid,
        "gid": device.gid,
    }


def _device_rule(rule: str) -> dict[str, Any]:
    """Return `c 10:* rwm` as a rule of a specification."""
    words = rule.split(" ")
    numbers = words[1].split(":") if len(words) == 3 else []
    if (
        len(numbers) != 2
        or words[0] not in ("a", "b", "c")
        or not all(number == "*" or (number.isascii() and number.isdigit()) for number in numbers)
        or not 1 <= len(words[2]) <= 3
        or words[2].strip("rwm")
        or len(rule) > 64
    ):
        raise Invalid(f"invalid device cgroup rule format: '{rule}'")
    major, minor = [-1 if number == "*" else int(number) for number in numbers]
    return {"allow": True, "type": words[0], "major": major, "minor": minor, "access": words[2]}


def _seccomp(host_config: Mapping[str, Any], host: Host, bounding: Sequence[str]) -> dict[str, Any] | None:
    from ligan.containers import seccomp
    from ligan.containers.seccomp_profile import default_profile

    wanted = parse_security(host_config).get("seccomp", "")
    if wanted == "unconfined":
        return None
    profile = seccomp.parse_profile(wanted) if wanted else default_profile()
    return seccomp.resolve(profile, host.machine, host.kernel, bounding)


def exec_process(
    process: Mapping[str, Any],
    config: Mapping[str, Any],
    request: Mapping[str, Any],
    user: User | None,
    host: Host,
) -> dict[str, Any]:
    """Return the OCI process of a command in a running container.

    `process` is that of the container's specification, `config` the container's, `request` Docker's
    ExecConfig. Without a `user` it is the container's.
    """
    tty = bool(request.get("Tty"))
    changed: dict[str, Any] = {
        **{key: value for key, value in process.items() if key != "terminal"},
        "args": list(request.get("Cmd") or ()),
        "env": environment(config, tty=tty, more=request.get("Env") or ()),
        "cwd": request.get("WorkingDir") or process["cwd"],
    }
    if tty:
        changed["terminal"] = True
    if user is not None:
        changed["user"] = user.document()
    if request.get("Privileged"):
        held = capabilities.resolve((), (), host.capabilities, privileged=True)
        changed["capabilities"] = {"bounding": held, "effective": held, "permitted": held}
        if host.apparmor:
            changed["apparmorProfile"] = "unconfined"
    return changed
