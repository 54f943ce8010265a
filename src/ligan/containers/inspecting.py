"""One container in full: Docker's inspect document, its keys in Docker's order.

Source: engine 20.10, daemon/inspect.go and daemon/inspect_linux.go; golden k_containers.
"""

from __future__ import annotations

import json

from ligan.containers import rows
from ligan.oci.gojson import GO_ZERO_TIME
from ligan.oci.hostconfig import endpoint_settings
from ligan.oci.times import rfc3339nano

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.containers.rows import Container
    from ligan.layers.snapshots import Snapshots
    from ligan.store.db import ReadTransaction
    from ligan.store.layout import Layout
    from ligan.store.store import Store

    Document = dict[str, Any]


def inspect(store: Store, container: Container, *, size: bool = False) -> Document:
    """Return the document of `GET /containers/{name}/json`, API 1.41.

    Files that a container has from its first start on are named from then on.
    """
    from ligan.layers.snapshots import Snapshots

    snapshots = Snapshots(store)
    with store.database.read() as tx:
        return _document(tx, store.layout, snapshots, container, size=size)


def _document(
    tx: ReadTransaction, layout: Layout, snapshots: Snapshots, container: Container, *, size: bool
) -> Document:
    folder = layout.container(container.id)
    words: list[str] = (container.config["Entrypoint"] or []) + (container.config["Cmd"] or [])
    has_run = bool(container.started)
    document: Document = {
        "Id": container.id,
        "Created": _time(container.created),
        "Path": words[0],
        "Args": words[1:],
        "State": state(container),
        "Image": container.image_id,
        "ResolvConfPath": f"{folder}/resolv.conf" if has_run else "",
        "HostnamePath": f"{folder}/hostname" if has_run else "",
        "HostsPath": f"{folder}/hosts" if has_run else "",
        "LogPath": f"{folder}/log" if has_run else "",
        "Name": f"/{container.name}",
        "RestartCount": container.restarts,
        "Driver": container.driver,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": _apparmor(container),
        "ExecIDs": _execs(tx, container) or None,
        "HostConfig": _host_config(tx, container),
        "GraphDriver": snapshots.graph_driver(container.id, container.layer),
    }
    if size:
        written = snapshots.size(container.id)
        document |= {"SizeRw": written, "SizeRootFs": written + _size_below(tx, container)}
    return document | {
        "Mounts": [mount.document() for mount in container.mounts],
        "Config": container.config,
        "NetworkSettings": _network_settings(tx, layout, container),
    }


def state(container: Container) -> Document:
    """Return Docker's State; Health is there once a healthcheck has been set up."""
    shown: Document = {
        "Status": container.state,
        "Running": container.is_running,
        "Paused": container.state == "paused",
        "Restarting": container.state == "restarting",
        "OOMKilled": container.oom_killed,
        "Dead": container.state == "dead",
        "Pid": container.pid,
        "ExitCode": container.exit_code,
        "Error": container.error,
        "StartedAt": _time(container.started),
        "FinishedAt": _time(container.finished),
    }
    if container.health:
        shown["Health"] = container.health
    return shown


def _time(at: int) -> str:
    return rfc3339nano(*divmod(at, 10**9)) if at else GO_ZERO_TIME


def _apparmor(container: Container) -> str:
    from ligan.containers.checks import parse_security

    return parse_security(container.host_config).get("apparmor", "")


def _execs(tx: ReadTransaction, container: Container) -> list[str]:
    return tx.column(
        "SELECT id FROM exec WHERE container = ? AND state <> 'exited' ORDER BY key", (container.key,)
    )


def _host_config(tx: ReadTransaction, container: Container) -> Document:
    """Return the HostConfig as it was asked for; links as they are called: /other:/this/alias."""
    links = []
    if container.host_config["NetworkMode"] in ("default", "bridge"):
        for link in container.host_config["Links"] or ():
            name, colon, alias = link.partition(":")
            other = rows.by_id(tx, name) if len(name) == 64 else None
            target = other.name if other else name.strip("/")
            links.append(f"/{target}:/{container.name}/{alias.rpartition('/')[2] if colon else target}")
    return container.host_config | {"Links": links or None}


def _size_below(tx: ReadTransaction, container: Container) -> int:
    return int(tx.value("SELECT chain_size FROM layer WHERE key = ?", (container.layer,)) or 0)


_OF_BRIDGE = (
    "EndpointID",
    "Gateway",
    "GlobalIPv6Address",
    "GlobalIPv6PrefixLen",
    "IPAddress",
    "IPPrefixLen",
    "IPv6Gateway",
    "MacAddress",
)


def _network_settings(tx: ReadTransaction, layout: Layout, container: Container) -> Document:
    networks = _networks(tx, container)
    bridge = networks.get("bridge") or endpoint_settings({})
    has_namespace = bool(container.started and networks and "host" not in networks)
    return {
        "Bridge": "",
        "SandboxID": container.id if container.started else "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": container.networking.get("Ports") or {},
        "SandboxKey": layout.namespace(container.id) if has_namespace else "",
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        **{field: bridge[field] for field in _OF_BRIDGE},
        "Networks": networks,
    }


def _networks(tx: ReadTransaction, container: Container) -> Document:
    """Return how the container is connected; of one that does not run, what was asked for."""
    connected = {
        name: json.loads(config)
        for name, config in tx.all(
            """SELECT network.name, endpoint.config
               FROM endpoint JOIN network ON network.key = endpoint.network WHERE endpoint.container = ?""",
            (container.key,),
        )
    }
    asked = container.networking.get("EndpointsConfig", {})
    return {name: endpoint_settings(connected.get(name) or asked.get(name)) for name in asked | connected}
