"""What a new container must not ask for of networks, ports, logs and restarts, in Docker's words.

Settings and limits are in `checks` and `limits`, mounts in `mounts`.
Source: engine 20.10, runconfig/hostconfig.go, daemon/container.go, daemon/create.go.
"""

from __future__ import annotations

from ligan.containers.log_options import log_limits
from ligan.containers.mounts import check_mount
from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Document = Mapping[str, Any]

RUNTIMES = ("", "runc", "crun", "io.containerd.runc.v2")
"""Names of runtimes that may be asked for; the last is what Docker calls its default too."""

_LOG_DRIVERS = ("", "json-file", "local", "none")
_LOG_OPTIONS = ("max-file", "max-size", "compress", "labels", "labels-regex", "env", "env-regex", "tag")
_LOG_MODES = ("", "blocking", "non-blocking")


def check_request(config: Document, host: Document, endpoints: Mapping[str, Document | None]) -> list[str]:
    """Raise Invalid for what no container can have; return warnings.

    The documents are those of `oci.runconfig` and `oci.hostconfig`.
    """
    _check_network_mode(config, host)
    if host["AutoRemove"] and host["RestartPolicy"]["Name"] not in ("", "no"):
        raise Invalid("can't create 'AutoRemove' container with restart policy")
    for mount in host.get("Mounts") or ():
        check_mount(mount)
    for extra in host["ExtraHosts"] or ():
        _check_extra_host(extra)
    _check_ports(host["PortBindings"] or {})
    check_restart_policy(host["RestartPolicy"])
    if host.get("Runtime", "") not in RUNTIMES:
        raise Invalid(f"Unknown runtime specified {host['Runtime']}")
    _check_log(host["LogConfig"])
    log_limits(host)
    _check_endpoints(endpoints)
    if host["NetworkMode"] == "host" and host["PortBindings"]:
        return ["Published ports are discarded when using host network mode"]
    return []


def _check_network_mode(config: Document, host: Document) -> None:
    mode = host["NetworkMode"]
    if mode in ("container", "container:"):
        raise Invalid("Invalid network mode: invalid container format container:<name|id>")
    shared, hosts = mode.startswith("container:"), mode == "host"
    publishes = host["PortBindings"] or host["PublishAllPorts"]
    undefined = "can't be used with links. This would result in undefined behavior"
    for conflict, words in (
        (shared and config["Hostname"], "hostname and the network mode"),
        (shared and host["Links"], f"container type network {undefined}"),
        (shared and host["Dns"], "dns and the network mode"),
        (shared and host["ExtraHosts"], "custom host-to-IP mapping and the network mode"),
        ((shared or hosts) and config.get("MacAddress"), "mac-address and the network mode"),
        (shared and publishes, "port publishing and the container type network mode"),
        (shared and config.get("ExposedPorts"), "port exposing and the container type network mode"),
        (host["UTSMode"] == "host" and config["Hostname"], "hostname and the UTS mode"),
        (hosts and host["Links"], f"host type networking {undefined}"),
    ):
        if conflict:
            raise Invalid(f"conflicting options: {words}")


def _check_extra_host(text: str) -> None:
    name, colon, address = text.partition(":")
    if not colon or not name:
        raise Invalid(f'bad format for add-host: "{text}"')
    if address != "host-gateway" and not _is_address(address.strip(), 4) and not _is_address(address, 6):
        raise Invalid(f'invalid IP address in add-host: "{address}"')


def _is_address(text: str, version: int) -> bool:
    import socket

    try:
        socket.inet_pton(socket.AF_INET if version == 4 else socket.AF_INET6, text)
    except (OSError, ValueError):
        return False
    return True


def _check_ports(bindings: Mapping[str, list[Document] | None]) -> None:
    for port, places in bindings.items():
        number = port.partition("/")[0]
        if not _is_port(number):
            raise Invalid(f'invalid port specification: "{number}"')
        for place in places or ():
            low, dash, high = place["HostPort"].partition("/")[0].partition("-")
            if place["HostPort"] and not (_is_port(low) and (not dash or _is_port(high))):
                raise Invalid(f'invalid port specification: "{place["HostPort"]}"')


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536


def check_restart_policy(policy: Document) -> None:
    """Raise Invalid for a restart policy that Docker does not know."""
    name, retries = policy["Name"], policy["MaximumRetryCount"]
    if name in ("always", "unless-stopped", "no"):
        if retries:
            raise Invalid(f"maximum retry count cannot be used with restart policy '{name}'")
    elif name == "on-failure":
        if retries < 0:
            raise Invalid("maximum retry count cannot be negative")
    elif name:
        raise Invalid(f"invalid restart policy '{name}'")


def _check_log(log: Document) -> None:
    options = log["Config"] or {}
    if log["Type"] == "none":
        return
    if options.get("mode", "") not in _LOG_MODES:
        raise Invalid(f"logger: logging mode not supported: {options['mode']}")
    if "max-buffer-size" in options and options.get("mode") != "non-blocking":
        raise Invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
    if log["Type"] not in _LOG_DRIVERS:
        raise Invalid(f'error looking up logging plugin {log["Type"]}: plugin "{log["Type"]}" not found')
    for name in ("labels-regex", "env-regex"):
        if options.get(name):
            _check_pattern(options[name])
    for name in options:
        if name not in (*_LOG_OPTIONS, "mode", "max-buffer-size"):
            raise Invalid(f"unknown log opt '{name}' for {log['Type'] or 'json-file'} log driver")


def _check_pattern(text: str) -> None:
    import re

    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise Invalid(f"error parsing regexp: {error}: `{text}`") from None


def _check_endpoints(endpoints: Mapping[str, Document | None]) -> None:
    for name, settings in endpoints.items():
        if settings is None:
            raise Invalid(f"no EndpointSettings for {name}")
        addresses = settings["IPAMConfig"] or {}
        for version in (4, 6):
            address = addresses.get(f"IPv{version}Address", "")
            if address and not _is_address(address, version):
                raise Invalid(f"invalid IPv{version} address: {address}")
