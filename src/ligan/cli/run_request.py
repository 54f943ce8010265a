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
    labels = [*values.lines(options.values("label-file")), *options.read_all("label", values.label)]
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
        "MacAddress": options.text("mac-address"),
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

    One without a value has that of this environment, or is left out.
    """
    found = []
    for value in [*values.lines(options.values("env-file")), *options.read_all("env", values.variable)]:
        if "=" in value:
            found.append(value)
        elif value in environ:
            found.append(f"{value}={environ[value]}")
    return found


def _healthcheck(options: Options) -> Document | None:
    names = ("health-cmd", "health-interval", "health-timeout", "health-start-period", "health-retries")
    given = any(options.given(name) for name in names)
    if options.on("no-healthcheck"):
        if given:
            raise refused("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    if not given:
        return None
    command = options.text("health-cmd")
    times = {name: options.read(name, values.duration, 0) for name in names[1:4]}
    retries = options.integer("health-retries")
    for name, number in [*times.items(), (names[4], retries)]:
        if number < 0:
            raise refused(f"--{name} cannot be negative")
    return {
        "Test": ["CMD-SHELL", command] if command else None,
        "Interval": times["health-interval"],
        "Timeout": times["health-timeout"],
        "StartPeriod": times["health-start-period"],
        "Retries": retries,
    }


def _bytes(options: Options, name: str) -> int:
    return options.read(name, values.byte_count, 0)


def _ports(options: Options) -> tuple[Document, Document]:
    """Return PortBindings and ExposedPorts of --publish and --expose."""
    bindings: Document = {}
    exposed: Document = {}
    for spec in options.values("publish"):
        for key, place in values.published(spec):
            exposed[key] = {}
            bindings.setdefault(key, []).append(place)
    for spec in options.values("expose"):
        if ":" in spec:
            raise refused(f"invalid port format for --expose: {spec}")
        ports, slash, protocol = spec.partition("/")
        for number in values.exposed(ports, spec):
            found, kind = values.port(f"{number}{slash}{protocol}")
            exposed[f"{found}/{kind}"] = {}
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
    endpoints: Document = dict(
        options.read_all("network", values.network) + options.read_all("net", values.network)
    )
    mode = next(iter(endpoints), "default")
    first = endpoints.setdefault(mode, {})
    if aliases := options.values("network-alias"):
        first["Aliases"] = [*first.get("Aliases", []), *aliases]
    for name, field in (("ip", "IPv4Address"), ("ip6", "IPv6Address")):
        if options.text(name):
            first.setdefault("IPAMConfig", {})[field] = options.text(name)
    if options.values("link") and mode not in ("default", "bridge"):
        first["Links"] = options.values("link")
    return endpoints, mode


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
        "LogConfig": {"Type": options.text("log-driver"), "Config": values.pairs(options.values("log-opt"))},
        "NetworkMode": mode,
        "PortBindings": ports,
        "RestartPolicy": values.restart_policy(options.text("restart")),
        "AutoRemove": options.on("rm"),
        "VolumeDriver": options.text("volume-driver"),
        "VolumesFrom": options.values("volumes-from") or None,
        "CapAdd": options.values("cap-add") or None,
        "CapDrop": options.values("cap-drop") or None,
        "CgroupnsMode": options.text("cgroupns"),
        "Dns": options.read_all("dns", values.address),
        "DnsOptions": options.values("dns-option"),
        "DnsSearch": options.values("dns-search"),
        "ExtraHosts": options.read_all("add-host", values.extra_host) or None,
        "GroupAdd": options.values("group-add") or None,
        "IpcMode": options.text("ipc"),
        "Links": options.read_all("link", values.link) or None,
        "OomScoreAdj": options.integer("oom-score-adj"),
        "PidMode": options.text("pid"),
        "Privileged": options.on("privileged"),
        "PublishAllPorts": options.on("publish-all"),
        "ReadonlyRootfs": options.on("read-only"),
        "SecurityOpt": [values.security_option(value) for value in options.values("security-opt")] or None,
        "StorageOpt": values.pairs(options.values("storage-opt")) or None,
        "Tmpfs": _tmpfs(options),
        "UTSMode": options.text("uts"),
        "UsernsMode": options.text("userns"),
        "ShmSize": _bytes(options, "shm-size"),
        "Sysctls": values.pairs(options.read_all("sysctl", values.sysctl)) or None,
        "Runtime": options.text("runtime"),
        "Mounts": options.read_all("mount", values.mount) or None,
        "Init": True if options.on("init") else None,
        **resources(options),
        "CgroupParent": options.text("cgroup-parent"),
        "BlkioWeightDevice": options.read_all("blkio-weight-device", values.device_weight),
        "BlkioDeviceReadBps": options.read_all("device-read-bps", values.byte_rate),
        "BlkioDeviceWriteBps": options.read_all("device-write-bps", values.byte_rate),
        "BlkioDeviceReadIOps": options.read_all("device-read-iops", values.operation_rate),
        "BlkioDeviceWriteIOps": options.read_all("device-write-iops", values.operation_rate),
        "MemorySwappiness": options.integer("memory-swappiness", -1),
        "Devices": [values.device(spec) for spec in options.values("device")],
        "DeviceCgroupRules": options.values("device-cgroup-rule") or None,
        "OomKillDisable": options.on("oom-kill-disable"),
        "Ulimits": options.read_all("ulimit", values.ulimit),
    }


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
        "BlkioWeight": options.integer("blkio-weight"),
        "CpuPeriod": options.integer("cpu-period"),
        "CpuQuota": options.integer("cpu-quota"),
        "CpuRealtimePeriod": options.integer("cpu-rt-period"),
        "CpuRealtimeRuntime": options.integer("cpu-rt-runtime"),
        "CpusetCpus": options.text("cpuset-cpus"),
        "CpusetMems": options.text("cpuset-mems"),
        "PidsLimit": options.integer("pids-limit"),
    }
