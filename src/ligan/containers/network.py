"""Connecting a container that starts, or runs, to its networks; and disconnecting it.

A container that runs has a row for every network it is in: who has which address is decided there, in one
transaction, before anything is set up. The backend is netavark.
"""

from __future__ import annotations

import json

from ligan.containers import addressing, netavark, netns, networks, ports
from ligan.containers.naming import new_id
from ligan.containers.netavark import Link
from ligan.containers.networks import BRIDGE, BUILT_IN, Network
from ligan.containers.ports import Port
from ligan.errors import Conflict, Forbidden, Invalid, LiganError, Unsupported
from ligan.images.events import record
from ligan.layers.namespaces import in_user_namespace
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ligan.containers.rows import Container
    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.store import Store

    Document = dict[str, Any]


class Connection(Value):
    """How a container reaches others. `namespace` is the path of its network, or empty: the runtime's own.

    `addresses` are the container's, `nameservers` those of its networks, `gateway` the host as it sees it.
    """

    namespace: str = ""
    addresses: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()
    gateway: str = ""


def is_connected(container: Container) -> bool:
    """Return whether the container is in networks, rather than in none, the host's or another container's."""
    mode = mode_of(container)
    return mode not in ("none", "host") and not mode.startswith("container:")


def mode_of(container: Container) -> str:
    mode = container.host_config.get("NetworkMode") or "default"
    return BRIDGE if mode == "default" else str(mode)


def setup(store: Store, container: Container) -> Connection:
    """Connect a container that is about to start.

    On return its namespace is there, connected, and its ports are published. After an error nothing of it
    is left. Raises Unavailable, naming the package, where the backend is missing.
    """
    if not is_connected(container) or (mode_of(container) == BRIDGE and not store.policy.bridge):
        return Connection()
    if in_user_namespace():
        return _setup_without_root(store, container)
    links, published = _reserve(store, container)
    path = store.layout.namespace(container.id)
    try:
        netns.make(path)
        netavark.setup(store.layout, path, container.name, links, published)
    except BaseException:
        teardown(store, container)
        raise
    return _connection(path, links)


_NO_NETWORKS = "without root there are the networks bridge, host and none, and no others"


def _setup_without_root(store: Store, container: Container) -> Connection:
    """Do the same in a user namespace, where nobody may make a bridge. No row tells of an endpoint."""
    from ligan.containers import slirp

    if list(_wanted(container)) != [BRIDGE]:
        raise Unsupported(_NO_NETWORKS)
    path = store.layout.namespace(container.id)
    try:
        with store.database.write() as tx:
            published = _choose_ports(tx, container)
            exposed = container.config.get("ExposedPorts") or {}
            _write_ports(tx, container, ports.document(published, exposed))
        netns.make(path)
        slirp.start(store.layout.container(container.id), path, published)
    except BaseException:
        teardown(store, container)
        raise
    return Connection(path, (slirp.ADDRESS,), (slirp.NAMESERVER,), slirp.GATEWAY)


def _connection(path: str, links: Sequence[Link]) -> Connection:
    return Connection(
        path,
        tuple([link.address for link in links]),
        tuple([link.gateway for link in links if link.names]),
        links[0].gateway if links else "",
    )


def _reserve(store: Store, container: Container) -> tuple[list[Link], tuple[Port, ...]]:
    """Write down which addresses and ports the container has; on return nobody else gets them."""
    wanted = _wanted(container)
    with store.database.write() as tx:
        networks.add_built_in(tx, store.now(), host_routes())
        links = [
            _add_endpoint(tx, store, container, networks.get(tx, name), settings, f"eth{number}")
            for number, (name, settings) in enumerate(wanted.items())
        ]
        published = _choose_ports(tx, container)
        exposed = container.config.get("ExposedPorts") or {}
        _write_ports(tx, container, ports.document(published, exposed))
    return links, published


def ensure_built_in(store: Store) -> None:
    """On return the networks that are always there are."""
    with store.database.read() as tx:
        if len(tx.column(f"SELECT 1 FROM network WHERE name IN {tuple(BUILT_IN)}")) == len(BUILT_IN):
            return
    with store.database.write() as tx:
        networks.add_built_in(tx, store.now(), host_routes())


def host_routes() -> str:
    """Return the text of /proc/net/route: subnets that networks must leave alone."""
    with open("/proc/net/route", encoding="ascii") as file:
        return file.read()


def _wanted(container: Container) -> dict[str, Document]:
    """Return the names of the networks to connect to at a start, with Docker's EndpointSettings.

    That of the container's mode is the first, and the only one where it was taken out of all.
    """
    asked, mode = _asked(container), mode_of(container)
    first = {mode: asked.pop(mode)} if mode in asked else {}
    return first | asked or {mode: {}}


def _asked(container: Container) -> dict[str, Document]:
    return {
        name: settings or {} for name, settings in (container.networking.get("EndpointsConfig") or {}).items()
    }


def _add_endpoint(
    tx: WriteTransaction,
    store: Store,
    container: Container,
    network: Network,
    settings: Mapping[str, Any],
    interface: str,
) -> Link:
    if network.name in BUILT_IN:
        networks.check_built_in(settings)
    subnet = network.subnet
    if subnet is None:
        raise Conflict(f"container cannot be connected to network {network.name} beside others")
    taken = set(tx.column("SELECT address FROM endpoint WHERE network = ?", (network.key,)))
    taken.add(network.gateway)
    address = _address(network, settings, taken)
    mac = (
        settings.get("MacAddress")
        or container.config.get("MacAddress")
        or addressing.hardware_address(address)
    )
    endpoint = {
        "IPAMConfig": settings.get("IPAMConfig"),
        "Links": settings.get("Links"),
        "Aliases": _aliases(container, network, settings),
        "NetworkID": network.id,
        "EndpointID": new_id(),
        "Gateway": "" if network.config["Internal"] else network.gateway,
        "IPAddress": address,
        "IPPrefixLen": subnet.prefixlen,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "MacAddress": mac,
        "DriverOpts": settings.get("DriverOpts"),
    }
    document = json.dumps(endpoint | {"Interface": interface}, ensure_ascii=False)
    tx.execute(
        "INSERT INTO endpoint (container, network, address, config) VALUES (?, ?, ?, ?)",
        (container.key, network.key, address, document),
    )
    attributes = {"container": container.id, "type": network.driver}
    record(tx, store.now(), "connect", network.id, attributes, name=network.name, kind="network")
    return _link(container, network, endpoint, interface)


def _address(network: Network, settings: Mapping[str, Any], taken: set[str]) -> str:
    """Return the address asked for, or the first that is free. Raises Invalid and Conflict."""
    from ipaddress import IPv4Network

    subnet = network.subnet
    assert subnet is not None
    wanted = (settings.get("IPAMConfig") or {}).get("IPv4Address") or ""
    if wanted:
        if addressing.parse_address(wanted) not in subnet:
            raise Invalid(f"Invalid address {wanted}: It does not belong to any of this network's subnets")
        if wanted in taken:
            raise Conflict("Address already in use")
        return str(wanted)
    part = network.config["IPAM"]["Config"][0].get("IPRange")
    return addressing.free_address(subnet, taken, IPv4Network(part) if part else None)


def _aliases(container: Container, network: Network, settings: Mapping[str, Any]) -> list[str] | None:
    """Return the names that others of the network reach it by; in Docker's bridge nobody has any."""
    if network.name in BUILT_IN:
        return None
    return [*dict.fromkeys([*(settings.get("Aliases") or ()), container.id[:12]])]


def _link(container: Container, network: Network, endpoint: Document, interface: str) -> Link:
    named = network.name not in BUILT_IN
    hostname = str(container.config.get("Hostname") or "")
    aliases = [*(endpoint["Aliases"] or ()), *([hostname] if hostname and named else ())]
    return Link(
        network.name,
        network.id,
        interface,
        network.bridge,
        str(network.subnet),
        network.gateway,
        endpoint["IPAddress"],
        endpoint["MacAddress"],
        tuple(dict.fromkeys(aliases)),
        bool(network.config["Internal"]),
        named,
    )


def _choose_ports(tx: ReadTransaction, container: Container) -> tuple[Port, ...]:
    """Return the container's published ports with the host's chosen. Raises PortTaken."""
    taken = {
        (port.protocol, port.host_port)
        for networking in tx.column("SELECT networking FROM container WHERE key <> ?", (container.key,))
        for port in published_ports(json.loads(networking))
    }
    chosen: list[Port] = []
    for port in ports.wanted_ports(container.host_config, container.config.get("ExposedPorts") or {}):
        found = ports.choose(port, taken, ports.is_free)
        if found is None:
            raise ports.PortTaken(container.name, container.id, port)
        taken.add((found.protocol, found.host_port))
        chosen.append(found)
    return tuple(chosen)


def published_ports(networking: Mapping[str, Any]) -> list[Port]:
    """Return what a running container publishes, of its row."""
    return [
        Port(*ports.parse_port(name), place["HostIp"], host_port=int(place["HostPort"]))
        for name, places in (networking.get("Ports") or {}).items()
        for place in places or ()
    ]


def _write_ports(tx: WriteTransaction, container: Container, document: Document | None) -> None:
    from ligan.containers.rows import by_key, set_networking

    current = by_key(tx, container.key)
    if current is not None:
        networking = {key: value for key, value in current.networking.items() if key != "Ports"}
        if document is not None:
            networking["Ports"] = document
        set_networking(tx, container.key, networking)


def endpoints(tx: ReadTransaction, container: Container) -> list[tuple[Network, Document]]:
    """Return the networks that a container is in now with its EndpointSettings, by interface."""
    rows = tx.all("SELECT network, config FROM endpoint WHERE container = ?", (container.key,))
    found = [
        (networks.get(tx, tx.value("SELECT id FROM network WHERE key = ?", (key,))), json.loads(config))
        for key, config in rows
    ]
    return sorted(found, key=lambda item: int(item[1]["Interface"].removeprefix("eth")))


def teardown(store: Store, container: Container) -> None:
    """On return the container is in no network, and its namespace is gone. Of nothing, do nothing."""
    path = store.layout.namespace(container.id)
    with store.database.read() as tx:
        connected = endpoints(tx, container)
        published = published_ports(container.networking) or published_ports(_networking(tx, container))
    if connected:
        _disconnect(store, path, container, _links(container, connected), published)
        with store.database.write() as tx:
            _remove_endpoints(tx, store, container, [network for network, _settings in connected])
            _write_ports(tx, container, None)
    elif in_user_namespace():
        _teardown_without_root(store, container)
    netns.remove(path)


def _teardown_without_root(store: Store, container: Container) -> None:
    from ligan.containers import slirp

    slirp.stop(store.layout.container(container.id))
    with store.database.write() as tx:
        _write_ports(tx, container, None)


def _links(container: Container, connected: Sequence[tuple[Network, Document]]) -> list[Link]:
    return [_link(container, network, settings, settings["Interface"]) for network, settings in connected]


def _networking(tx: ReadTransaction, container: Container) -> Mapping[str, Any]:
    text = tx.value("SELECT networking FROM container WHERE key = ?", (container.key,))
    document: Mapping[str, Any] = json.loads(text) if text else {}
    return document


def _disconnect(
    store: Store, path: str, container: Container, links: Sequence[Link], published: Sequence[Port]
) -> None:
    """Take down what netavark set up; what a restart of the machine has taken down already is no error."""
    from ligan.store.mounts import is_mounted

    if not is_mounted(path):
        return
    try:
        netavark.teardown(store.layout, path, container.name, links, published)
    except LiganError:
        pass  # killed before these interfaces were there: there is nothing to take down


def _remove_endpoints(
    tx: WriteTransaction, store: Store, container: Container, left: Sequence[Network]
) -> None:
    for network in left:
        tx.execute("DELETE FROM endpoint WHERE container = ? AND network = ?", (container.key, network.key))
        attributes = {"container": container.id, "type": network.driver}
        record(tx, store.now(), "disconnect", network.id, attributes, name=network.name, kind="network")


def connect(store: Store, name: str, container: Container, settings: Document) -> None:
    """Connect a container to one more network: at once if it runs, else from its next start on."""
    with store.database.read() as tx:
        network = networks.get(tx, name)
        connected = endpoints(tx, container)
    if not is_connected(container):
        raise Forbidden(
            "container cannot be connected to multiple networks with one of the networks "
            "in private (none) mode"
            if mode_of(container) == "none"
            else "container sharing network namespace with another container or host "
            "cannot be connected to any other network"
        )
    if network.name in _asked(container):
        raise Forbidden(f"endpoint with name {container.name} already exists in network {network.name}")
    if in_user_namespace():
        raise Unsupported(_NO_NETWORKS)
    if container.is_running:
        number = 1 + max(
            [int(item["Interface"].removeprefix("eth")) for _network, item in connected], default=-1
        )
        with store.database.write() as tx:
            link = _add_endpoint(tx, store, container, network, settings, f"eth{number}")
        try:
            namespace, published = store.layout.namespace(container.id), published_ports(container.networking)
            netavark.setup(store.layout, namespace, container.name, [link], published)
        except BaseException:
            with store.database.write() as tx:
                _remove_endpoints(tx, store, container, [network])
            raise
        _renew_names(store, container)
    _change_wanted(store, container, network.name, settings)


def disconnect(store: Store, name: str, container: Container) -> None:
    """Take a container out of a network, whether it runs or not."""
    with store.database.read() as tx:
        network = networks.get(tx, name)
        connected = [item for item in endpoints(tx, container) if item[0].key == network.key]
    if network.name not in _asked(container):
        raise Forbidden(f"container {container.id} is not connected to network {network.name}")
    if connected:
        links = _links(container, connected)
        published = published_ports(container.networking)
        _disconnect(store, store.layout.namespace(container.id), container, links, published)
        with store.database.write() as tx:
            _remove_endpoints(tx, store, container, [network])
        _renew_names(store, container)
    _change_wanted(store, container, network.name, None)


def _renew_names(store: Store, container: Container) -> None:
    """Let a container that runs ask the nameservers of the networks that it is in now, and no others."""
    from ligan.containers.bundling import renew_names

    with store.database.read() as tx:
        links = _links(container, endpoints(tx, container))
    renew_names(store, container, _connection(store.layout.namespace(container.id), links))


def _change_wanted(store: Store, container: Container, name: str, settings: Document | None) -> None:
    """Write down that the container wants a network, or, without settings, no more."""
    from ligan.containers import rows

    with store.database.write() as tx:
        current = rows.by_key(tx, container.key)
        if current is None:
            return
        asked = _asked(current)
        if settings is None:
            asked.pop(name, None)
        else:
            asked[name] = settings
        rows.set_networking(tx, container.key, current.networking | {"EndpointsConfig": asked})
