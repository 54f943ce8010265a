"""From the flags of `run` and `create` to Docker's documents, as its client makes them (docker 28)."""

from __future__ import annotations

import os

from ligan.cli import run_values as values
from ligan.cli.run_values import refused
from ligan.containers.creating import CreateRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.cli.flags import Options

    Document = dict[str, Any]


def create_request(options: Options, environ: Mapping[str, str], *, detach: bool = False) -> CreateRequest:
    """Return what the flags ask for. Raises FlagError or Failure in the words of docker's client."""
    image, *command = options.arguments
    _check_modes(options)
    attached = _attached(options, detach=detach)
    ports, exposed = _ports(options)
    binds, volumes = _volumes(options)
    networking, mode = _networks(options)
    labels = [
        *[line for line in _lines(options, "label-file") if "=" in line],
        *options.read_all("label", values.label),
    ]
    config: Document = {
        "Hostname": options.text("hostname"),
        "Domainname": options.text("domainname"),
        "User": options.text("user"),
        "AttachStdin": "stdin" in attached,
        "AttachStdout": "stdout" in attached,
        "AttachStderr": "stderr" in attached,
        "ExposedPorts": exposed,
        "Tty": options.on("tty"),
        "OpenStdin": options.on("interactive"),
        "StdinOnce": options.on("interactive") and "stdin" in attached,
        "Env": environment(options, environ),
        "Cmd": command or None,
        "Image": image,
        "Volumes": volumes,
        "MacAddress": values.mac_address(options.text("mac-address")) if options.text("mac-address") else "",
        # An empty one takes that of the image away.
        "Entrypoint": [options.text("entrypoint")] if options.given("entrypoint") else None,
        "WorkingDir": options.text("workdir"),
        "Labels": values.pairs(labels),
        "StopSignal": options.text("stop-signal"),
        "Healthcheck": _healthcheck(options),
        "StopTimeout": options.integer("stop-timeout") if options.given("stop-timeout") else None,
    }
    return CreateRequest(
        name=options.text("name"),
        config=config,
        host_config=_host_config(options, binds, ports, mode),
        networking={"EndpointsConfig": networking},
        platform=options.text("platform"),
    )


def _attached(options: Options, *, detach: bool) -> set[str]:
    """Return the streams that this client takes part in."""
    named = set(options.read_all("attach", values.stream))
    if named or detach:
        return named
    return {"stdout", "stderr", *(["stdin"] if options.on("interactive") else [])}


def environment(options: Options, environ: Mapping[str, str]) -> list[str]:
    """Return the variables of --env-file and, after them, --env.

    One without a value has that of this environment. Where there is none, that of a file is left out, and
    that of a flag stays a name, which takes the variable from the container.
    """
    found: dict[str, str] = {}
    for value in _lines(options, "env-file"):
        if "=" in value or value in environ:
            found[value.partition("=")[0]] = _with_value(value, environ)
    for value in options.read_all("env", values.variable):
        found[value.partition("=")[0]] = _with_value(value, environ)
    return list(found.values())


def _lines(options: Options, flag: str) -> list[str]:
    if not options.values(flag):
        return []
    from ligan.cli.run_files import lines

    return lines(options.values(flag))


def _with_value(variable: str, environ: Mapping[str, str]) -> str:
    return f"{variable}={environ[variable]}" if "=" not in variable and variable in environ else variable


def _healthcheck(options: Options) -> Document | None:
    intervals = ("health-interval", "health-timeout", "health-start-period", "health-start-interval")
    names = ("health-cmd", *intervals, "health-retries")
    given = any(options.given(name) for name in names)
    if options.on("no-healthcheck"):
        if given:
            raise refused("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    if not given:
        return None
    command = options.text("health-cmd")
    times = {name: options.read(name, values.duration, 0) for name in intervals}
    retries = options.integer("health-retries")
    for name, number in [*times.items(), ("health-retries", retries)]:
        if number < 0:
            raise refused(f"--{name} cannot be negative")
    return {
        "Test": ["CMD-SHELL", command] if command else None,
        "Interval": times["health-interval"],
        "Timeout": times["health-timeout"],
        "StartPeriod": times["health-start-period"],
        "StartInterval": times["health-start-interval"],
        "Retries": retries,
    }


def _bytes(options: Options, name: str) -> int:
    return options.read(name, values.byte_count, 0)


def _ports(options: Options) -> tuple[Document, Document]:
    """Return PortBindings and ExposedPorts of --publish and --expose."""
    bindings: Document = {}
    exposed: Document = {}
    if not options.values("publish") and not options.values("expose"):
        return bindings, exposed
    from ligan.cli.run_ports import port_numbers, published

    for spec in options.values("publish"):
        for key, place in published(spec):
            exposed[key] = {}
            bindings.setdefault(key, []).append(place)
    for spec in options.values("expose"):
        if ":" in spec:
            raise refused(f"invalid port format for --expose: {spec}")
        ports, _, protocol = spec.partition("/")
        for number in port_numbers(ports, spec):
            exposed[f"{number}/{protocol.lower() or 'tcp'}"] = {}
    return bindings, exposed


def _volumes(options: Options) -> tuple[list[str], Document]:
    """Return binds, their sources absolute, and the paths of anonymous volumes."""
    binds: list[str] = []
    volumes: Document = {}
    for spec in options.values("volume"):
        source, colon, rest = spec.partition(":")
        if not spec:
            raise refused("invalid empty volume spec")
        if colon and "" in spec.split(":"):
            raise refused(f"invalid spec: {spec}: empty section between colons")
        if not colon:
            volumes[spec] = {}
            continue
        if source.startswith(("./", "../", "~")) or source in (".", ".."):
            source = os.path.abspath(os.path.expanduser(source))
        binds.append(f"{source}:{rest}")
    return binds, volumes


def _networks(options: Options) -> tuple[Document, str]:
    """Return EndpointsConfig, and the first network as NetworkMode."""
    asked = options.read_all("network", values.network) + options.read_all("net", values.network)
    endpoints: Document = {}
    for name, settings in asked:
        if name in endpoints:
            raise refused(f'network "{name}" is specified multiple times')
        endpoints[name] = settings
    if len({_is_users(name) for name in endpoints}) > 1:
        raise refused(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
        )
    mode = next(iter(endpoints), "default")
    _add_flags(options, mode, endpoints.setdefault(mode, {}))
    for name, settings in endpoints.items():
        if not name.strip():
            raise refused("no name set for network")
        if settings.get("Aliases") and not _is_users(name):
            raise refused("network-scoped aliases are only supported for user-defined networks")
    return endpoints, mode


def _add_flags(options: Options, name: str, settings: Document) -> None:
    """Put what flags of their own say of the first network into its settings."""
    if aliases := [*options.values("network-alias"), *options.values("net-alias")]:
        if "Aliases" in settings:
            raise refused("conflicting options: cannot specify both --network-alias and per-network alias")
        settings["Aliases"] = aliases
    for flag, field, what in (("ip", "IPv4Address", "IPv4"), ("ip6", "IPv6Address", "IPv6")):
        if options.text(flag):
            addresses = settings.setdefault("IPAMConfig", {})
            if field in addresses:
                raise refused(
                    f"conflicting options: cannot specify both --{flag} and per-network {what} address"
                )
            addresses[field] = options.text(flag)
    if options.values("link") and _is_users(name):
        settings["Links"] = options.values("link")


def _is_users(network: str) -> bool:
    return network not in ("default", "bridge", "host", "none") and not network.startswith("container:")


def _check_modes(options: Options) -> None:
    """Raise Failure for namespaces that docker's client knows to be none."""
    for name, word in (("pid", "PID"), ("uts", "UTS"), ("userns", "USER"), ("cgroupns", "CGROUP")):
        kind, colon, other = options.text(name).partition(":")
        known = ("", "host", "private") if name == "cgroupns" else ("", "host")
        if not (kind in known and not colon) and not (name == "pid" and kind == "container" and other):
            raise refused(f"--{name}: invalid {word} mode")
    if options.on("rm") and options.text("restart") not in ("", "no"):
        raise refused("conflicting options: cannot specify both --restart and --rm")


def _host_config(options: Options, binds: list[str], ports: Document, mode: str) -> Document:
    return {
        "Binds": binds or None,
        "ContainerIDFile": options.text("cidfile"),
        "LogConfig": _log_config(options),
        "NetworkMode": mode,
        "PortBindings": ports,
        "RestartPolicy": values.restart_policy(options.text("restart")),
        "AutoRemove": options.on("rm"),
        "VolumeDriver": options.text("volume-driver"),
        "VolumesFrom": options.values("volumes-from") or None,
        **_capabilities(options),
        "CgroupnsMode": options.text("cgroupns"),
        "Dns": options.read_all("dns", values.address),
        "DnsOptions": [*options.values("dns-option"), *options.values("dns-opt")],
        "DnsSearch": options.read_all("dns-search", values.domain),
        "ExtraHosts": options.read_all("add-host", values.extra_host) or None,
        "GroupAdd": options.values("group-add") or None,
        "IpcMode": options.text("ipc"),
        "Links": options.read_all("link", values.link) or None,
        "OomScoreAdj": options.integer("oom-score-adj"),
        "PidMode": options.text("pid"),
        "Privileged": options.on("privileged"),
        "PublishAllPorts": options.on("publish-all"),
        "ReadonlyRootfs": options.on("read-only"),
        **_security(options),
        "StorageOpt": values.pairs(map(values.storage_option, options.values("storage-opt"))) or None,
        "Tmpfs": _tmpfs(options),
        "UTSMode": options.text("uts"),
        "UsernsMode": options.text("userns"),
        "ShmSize": _bytes(options, "shm-size"),
        "Sysctls": values.pairs(options.read_all("sysctl", values.sysctl)) or None,
        "Runtime": options.text("runtime"),
        "Mounts": _mounts(options),
        "Init": options.on("init") if options.given("init") else None,
        **resources(options),
        "CgroupParent": options.text("cgroup-parent"),
        "BlkioWeightDevice": options.read_all("blkio-weight-device", values.device_weight),
        "BlkioDeviceReadBps": options.read_all("device-read-bps", values.byte_rate),
        "BlkioDeviceWriteBps": options.read_all("device-write-bps", values.byte_rate),
        "BlkioDeviceReadIOps": options.read_all("device-read-iops", values.operation_rate),
        "BlkioDeviceWriteIOps": options.read_all("device-write-iops", values.operation_rate),
        "MemorySwappiness": _swappiness(options),
        "Devices": [values.device(spec) for spec in options.values("device")],
        "DeviceCgroupRules": options.read_all("device-cgroup-rule", values.device_rule) or None,
        "OomKillDisable": options.on("oom-kill-disable"),
        "Ulimits": options.read_all("ulimit", values.ulimit),
    }


def _mounts(options: Options) -> list[Document] | None:
    if not options.values("mount"):
        return None
    from ligan.cli.run_mounts import mount

    return options.read_all("mount", mount)


def _log_config(options: Options) -> Document:
    if options.text("log-driver") == "none" and options.values("log-opt"):
        raise refused("invalid logging opts for driver none")
    return {"Type": options.text("log-driver"), "Config": values.pairs(options.values("log-opt"))}


def _capabilities(options: Options) -> Document:
    """Return CapAdd and CapDrop in capitals, sorted, each name once."""
    found: list[list[str]] = []
    for flag in ("cap-add", "cap-drop"):
        names = {name.strip().upper().removeprefix("CAP_") for name in options.values(flag)}
        found.append(sorted(name if name == "ALL" else f"CAP_{name}" for name in names))
    return {"CapAdd": found[0] or None, "CapDrop": found[1] or None}


def _security(options: Options) -> Document:
    """Return SecurityOpt. What opens /proc and /sys is none, and sent as paths instead."""
    asked = options.values("security-opt")
    found = [values.security_option(value) for value in asked if value != "systempaths=unconfined"]
    is_open = len(found) < len(asked)
    return {
        "SecurityOpt": found if asked else None,
        **({"MaskedPaths": [], "ReadonlyPaths": []} if is_open else {}),
    }


def _swappiness(options: Options) -> int:
    swappiness = options.integer("memory-swappiness", -1)
    if not -1 <= swappiness <= 100:
        raise refused(f"invalid value: {swappiness}. Valid memory swappiness range is 0-100")
    return swappiness


def _tmpfs(options: Options) -> dict[str, str] | None:
    return {path: rest for path, _, rest in [spec.partition(":") for spec in options.values("tmpfs")]} or None


def resources(options: Options) -> Document:
    """Return the limits that `update` can change too."""
    return {
        "CpuShares": options.integer("cpu-shares"),
        "Memory": _bytes(options, "memory"),
        "MemoryReservation": _bytes(options, "memory-reservation"),
        "MemorySwap": options.read("memory-swap", values.swap_bytes, 0),
        "NanoCpus": options.read("cpus", values.nano_cpus, 0),
        "BlkioWeight": options.read("blkio-weight", _weight, 0),
        "CpuPeriod": options.integer("cpu-period"),
        "CpuQuota": options.integer("cpu-quota"),
        "CpuRealtimePeriod": options.integer("cpu-rt-period"),
        "CpuRealtimeRuntime": options.integer("cpu-rt-runtime"),
        "CpusetCpus": options.text("cpuset-cpus"),
        "CpusetMems": options.text("cpuset-mems"),
        "PidsLimit": options.integer("pids-limit"),
    }


def _weight(text: str) -> int:
    from ligan.containers.ports import parse_uint16

    return parse_uint16(text)
