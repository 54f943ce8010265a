"""Links to other containers: the names by which a container knows them, and on the default network variables.

On a network of the user's a link is but a name. Source: engine 20.10, daemon/links/links.go,
daemon/container_operations.go (buildSandboxOptions) and daemon/container_operations_unix.go.
"""

from __future__ import annotations

from ligan.containers import rows
from ligan.containers.failures import RuntimeFailed
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ligan.containers.rows import Container
    from ligan.store.db import ReadTransaction


class Links(Value):
    """What links give a container: entries of /etc/hosts as --add-host has them, and variables."""

    hosts: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


def resolve(tx: ReadTransaction, container: Container, *, is_starting: bool = True) -> Links:
    """Return what a container's links mean now.

    One that starts needs those whom it is linked to on the default network. Raises RuntimeFailed, and
    NoSuchContainer, in Docker's words.
    """
    if container.host_config["NetworkMode"] in ("default", "bridge"):
        return _on_default_network(tx, container, is_starting=is_starting)
    hosts = []
    for network, settings in container.networking.get("EndpointsConfig", {}).items():
        for link in settings.get("Links") or ():
            name, alias = _parts(link)
            address = _address(tx, rows.resolve(tx, name), network)
            if address:
                hosts.append(f"{alias}:{address}")
    return Links(tuple(hosts))


def _on_default_network(tx: ReadTransaction, container: Container, *, is_starting: bool) -> Links:
    hosts: list[str] = []
    variables: list[str] = []
    for link in container.host_config["Links"] or ():
        name, alias = _parts(link)
        other = rows.resolve(tx, name)
        shown = f"/{container.name}/{alias}"
        if other.state not in ("running", "paused"):
            if not is_starting:
                continue
            raise RuntimeFailed(f"Cannot link to a non running container: /{other.name} AS {shown}")
        address = _address(tx, other, "bridge")
        if not address:
            raise RuntimeFailed(f"Cannot link to /{other.name}, as it does not belong to the default network")
        names = dict.fromkeys((alias, other.config["Hostname"], other.name))
        hosts.append(f"{' '.join(names)}:{address}")
        variables += link_variables(shown, address, other.config)
    return Links(tuple(hosts), tuple(variables))


def _parts(link: str) -> tuple[str, str]:
    """Return name and alias of `name[:alias]`, or of `/name:/parent/alias` as inspect shows it."""
    name, colon, alias = link.partition(":")
    name = name.removeprefix("/")
    return name, alias.rpartition("/")[2] if colon else name


def _address(tx: ReadTransaction, container: Container, network: str) -> str:
    return str(
        tx.value(
            """SELECT endpoint.address FROM endpoint JOIN network ON network.key = endpoint.network
               WHERE container = ? AND name = ?""",
            (container.key, network),
        )
        or ""
    )


def link_variables(name: str, address: str, config: Mapping[str, Any]) -> list[str]:
    """Return the variables of a link of this name to a container with this address and configuration."""
    alias = name.rpartition("/")[2].upper().replace("-", "_")
    ports = _in_order(config.get("ExposedPorts") or ())
    found = [f"{alias}_PORT={kind}://{address}:{number}" for number, kind in ports[:1]]
    found += _ranges(alias, address, ports)
    for number, kind in ports:
        prefix = f"{alias}_PORT_{number}_{kind.upper()}"
        found += [
            f"{prefix}={kind}://{address}:{number}",
            f"{prefix}_ADDR={address}",
            f"{prefix}_PORT={number}",
            f"{prefix}_PROTO={kind}",
        ]
    found.append(f"{alias}_NAME={name}")
    for variable in config.get("Env") or ():
        key, equals, value = variable.partition("=")
        if equals and key not in ("HOME", "PATH"):
            found.append(f"{alias}_ENV_{key}={value}")
    return found


def _in_order(ports: Iterable[str]) -> list[tuple[int, str]]:
    """Return ports by their number, TCP first."""
    found = [(int(number), kind) for number, _, kind in [port.partition("/") for port in ports]]
    return sorted(found, key=lambda port: (port[0], port[1] != "tcp", port[1]))


def _ranges(alias: str, address: str, ports: list[tuple[int, str]]) -> list[str]:
    """Return the variables of three ports or more that follow one another."""
    found: list[str] = []
    at = 0
    while at < len(ports):
        last = at
        while last + 1 < len(ports) and ports[last + 1][0] <= ports[at][0] + last + 1 - at:
            last += 1
        if last > at + 1:
            (first, kind), (end, end_kind) = ports[at], ports[last]
            prefix = f"{alias}_PORT_{first}_{kind.upper()}"
            found += [
                f"{prefix}_START={kind}://{address}:{first}",
                f"{prefix}_ADDR={address}",
                f"{prefix}_PROTO={kind}",
                f"{prefix}_PORT_START={first}",
                f"{prefix}_END={end_kind}://{address}:{end}",
                f"{prefix}_PORT_END={end}",
            ]
            at = last
        at += 1
    return found
