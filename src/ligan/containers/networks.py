"""Networks: the three that are always there, and those that users make.

Source of rules and words: engine 20.10, daemon/network.go and libnetwork.
"""

from __future__ import annotations

import json

from ligan.containers import addressing
from ligan.containers.filters import has_labels, matches
from ligan.containers.naming import NAME_RULE, is_valid, new_id
from ligan.errors import Conflict, Forbidden, Invalid, NotFound
from ligan.images.events import record
from ligan.oci.documents import whole_characters
from ligan.oci.hostconfig import network_request
from ligan.oci.times import rfc3339nano
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from ipaddress import IPv4Network
    from typing import Any

    from ligan.store.db import ReadTransaction, WriteTransaction

    Filters = Mapping[str, Sequence[str]]
    Document = dict[str, Any]

BRIDGE, HOST, NONE = "bridge", "host", "none"
BUILT_IN = {BRIDGE: "bridge", HOST: "host", NONE: "null"}
"""Names and drivers of the networks that nobody makes and nobody can remove."""


def check_built_in(settings: Mapping[str, Any]) -> None:
    """Raise Invalid for settings of a container that only networks of the user's have."""
    if (settings.get("IPAMConfig") or {}).get("IPv4Address"):
        raise Invalid("user specified IP address is supported on user defined networks only")
    if settings.get("Aliases"):
        raise Invalid("network-scoped alias is supported only for containers in user defined networks")


class Network(Value):
    """A network as the database knows it; `config` is Docker's document, without what containers add."""

    key: int
    id: str
    name: str
    created: int
    config: Document

    @property
    def driver(self) -> str:
        return str(self.config["Driver"])

    @property
    def subnet(self) -> IPv4Network | None:
        from ipaddress import IPv4Network

        pools = self.config["IPAM"]["Config"]
        return IPv4Network(pools[0]["Subnet"]) if pools else None

    @property
    def gateway(self) -> str:
        pools = self.config["IPAM"]["Config"]
        return str(pools[0]["Gateway"]) if pools else ""

    @property
    def bridge(self) -> str:
        """The name of its interface on the host: of 15 characters at the most, and of this store alone."""
        return str(self.config["Options"].get("com.docker.network.bridge.name") or f"lig-{self.id[:10]}")


class NoSuchNetwork(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"network {name} not found")


_SELECT = "SELECT key, id, name, created, config FROM network"


def _network(row: tuple[int, str, str, int, str]) -> Network:
    key, network_id, name, created, config = row
    return Network(key, network_id, name, created, json.loads(config))


def all_networks(tx: ReadTransaction) -> list[Network]:
    """Return every network, by name."""
    return [_network(row) for row in tx.all(f"{_SELECT} ORDER BY name")]


def find(tx: ReadTransaction, name: str) -> Network | None:
    """Return the network of an ID, a name, or the beginning of one ID. Raises Invalid for that of several."""
    rows = tx.all(f"{_SELECT} WHERE id = ?1 OR name = ?1 ORDER BY id <> ?1 LIMIT 1", (name,))
    if not rows and name:
        rows = tx.all(f"{_SELECT} WHERE id >= ?1 AND id < ?2 LIMIT 2", (name, name + "g"))
        if len(rows) > 1:
            raise Invalid(f"network {name} is ambiguous ({len(rows)} matches found based on ID prefix)")
    return _network(rows[0]) if rows else None


def get(tx: ReadTransaction, name: str) -> Network:
    network = find(tx, name)
    if network is None:
        raise NoSuchNetwork(name)
    return network


def add_built_in(tx: WriteTransaction, now: int, host_routes: str) -> None:
    """Make the networks that are always there, where they are not. `host_routes`: text of /proc/net/route."""
    names = set(tx.column("SELECT name FROM network"))
    for name, driver in BUILT_IN.items():
        if name in names:
            continue
        pools = []
        if name == BRIDGE:
            subnet = addressing.free_subnet([*_subnets(tx), *addressing.host_subnets(host_routes)])
            pools = [_pool(subnet, str(addressing.gateway_of(subnet, "")))]
        _insert(tx, name, now, _config(driver, pools))


def _subnets(tx: ReadTransaction) -> list[IPv4Network]:
    return [network.subnet for network in all_networks(tx) if network.subnet is not None]


def _pool(subnet: IPv4Network, gateway: str) -> Document:
    return {"Subnet": str(subnet), "Gateway": gateway}


def _config(driver: str, pools: Sequence[Document], request: Mapping[str, Any] | None = None) -> Document:
    request = request or {}
    ipam = request.get("IPAM") or {}
    return {
        "Scope": "local",
        "Driver": driver,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": ipam.get("Options"), "Config": list(pools)},
        "Internal": bool(request.get("Internal")),
        "Attachable": bool(request.get("Attachable")),
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Options": dict(request.get("Options") or {}),
        "Labels": dict(request.get("Labels") or {}),
    }


def _insert(tx: WriteTransaction, name: str, now: int, config: Document) -> str:
    network_id = new_id()
    tx.execute(
        "INSERT INTO network (id, name, created, config) VALUES (?, ?, ?, ?)",
        (network_id, name, now, json.dumps(config, ensure_ascii=False)),
    )
    return network_id


def create(tx: WriteTransaction, request: Document, now: int, host_routes: str) -> tuple[str, str]:
    """Make a network; returns its ID and a warning, or an empty string. Raises Invalid and Conflict."""
    request = network_request(whole_characters(request))  # words of a command line may be no text
    name, driver = request["Name"], request["Driver"] or "bridge"
    if name in (*BUILT_IN, "default"):
        raise Forbidden(f"operation is not permitted on predefined {name} network ")
    _check(request, name, driver)
    warning = ""
    if existing := tx.value("SELECT id FROM network WHERE name = ?", (name,)):
        if request.get("CheckDuplicate", True):
            raise Conflict(f"network with name {name} already exists")
        warning = f"Network with name {name} (id : {existing}) already exists"
    pools = [] if driver == "null" else [_read_pool(tx, request, host_routes)]
    network_id = _insert(tx, name, now, _config(driver, pools, request))
    record(tx, now, "create", network_id, {"type": driver}, name=name, kind="network")
    return network_id, warning


def _check(request: Document, name: str, driver: str) -> None:
    if not name:
        raise Invalid("network name cannot be empty")
    if not is_valid(name):
        raise Invalid(f"invalid network name {name!r}: only {NAME_RULE} are allowed")
    if driver in ("host", "null"):
        raise Forbidden(f'only one instance of "{driver}" network is allowed')
    if driver != "bridge":
        raise NotFound(f'plugin "{driver}" not found', "Ligan has networks of the driver bridge.")
    if request.get("EnableIPv6"):
        raise Invalid("IPv6 networks are not supported", "Leave --ipv6 out.")
    if request.get("ConfigOnly") or (request.get("ConfigFrom") or {}).get("Network"):
        raise Invalid("networks of configurations are not supported: they belong to swarm")


def _read_pool(tx: ReadTransaction, request: Document, host_routes: str) -> Document:
    """Return the network's only subnet, asked for or free."""
    pools = (request.get("IPAM") or {}).get("Config") or []
    if len(pools) > 1:
        raise Invalid("bridge networks have one subnet: several were given")
    wanted = pools[0] if pools else {}
    if wanted.get("Subnet"):
        subnet = addressing.parse_subnet(wanted["Subnet"])
        addressing.check_free(subnet, _subnets(tx))
    elif wanted.get("Gateway") or wanted.get("IPRange"):
        raise Invalid("every ip-range or gateway must have a corresponding subnet")
    else:
        subnet = addressing.free_subnet([*_subnets(tx), *addressing.host_subnets(host_routes)])
    pool = {"Subnet": str(subnet)}
    if wanted.get("IPRange"):
        part = addressing.parse_subnet(wanted["IPRange"])
        if not part.subnet_of(subnet):
            raise Invalid(f"no matching subnet for range {wanted['IPRange']}")
        pool["IPRange"] = str(part)
    return pool | {"Gateway": str(addressing.gateway_of(subnet, wanted.get("Gateway") or ""))}


def remove(tx: WriteTransaction, name: str, now: int) -> None:
    """Remove a network that nobody uses. Raises Forbidden in Docker's words."""
    network = get(tx, name)
    if network.name in BUILT_IN:
        raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
    if tx.value("SELECT 1 FROM endpoint WHERE network = ?", (network.key,)):
        raise Forbidden(
            f"error while removing network: network {network.name} id {network.id} has active endpoints"
        )
    tx.execute("DELETE FROM network WHERE key = ?", (network.key,))
    record(tx, now, "destroy", network.id, {"type": network.driver}, name=network.name, kind="network")


def prune(tx: WriteTransaction, filters: Filters, now: int) -> list[str]:
    """Remove the networks of users that no container is connected to; returns their names."""
    from ligan.images.times import until_time

    _check_filters(filters, ("until", "label", "label!"))
    before = [until_time(value, now) for value in filters.get("until", ())]
    unused = [
        network
        for network in all_networks(tx)
        if network.name not in BUILT_IN
        and not tx.value("SELECT 1 FROM endpoint WHERE network = ?", (network.key,))
        and all(network.created < time for time in before)
        and has_labels(network.config["Labels"], filters.get("label", ()))
        and not any(has_labels(network.config["Labels"], [label]) for label in filters.get("label!", ()))
    ]
    for network in unused:
        remove(tx, network.id, now)
    return [network.name for network in unused]


def _check_filters(filters: Filters, known: Sequence[str]) -> None:
    for name in filters:
        if name not in known:
            raise Invalid(f"Invalid filter '{name}'")


def listing(tx: ReadTransaction, filters: Filters) -> list[Document]:
    """Return the documents of `GET /networks`, by name."""
    _check_filters(filters, ("driver", "type", "name", "id", "label", "scope", "dangling", "idOrName"))
    return [
        document(tx, network, containers=False)
        for network in all_networks(tx)
        if _matches(tx, network, filters)
    ]


def _matches(tx: ReadTransaction, network: Network, filters: Filters) -> bool:
    kinds = {"builtin" if network.name in BUILT_IN else "custom"}
    for value in filters.get("type", ()):
        if value not in ("builtin", "custom"):
            raise Invalid(f"Invalid filter: 'type'='{value}'")
    wanted = {_truth(value) for value in filters.get("dangling", ())}
    if not wanted <= {"true", "false"}:
        raise Invalid('invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")')
    used = bool(tx.value("SELECT 1 FROM endpoint WHERE network = ?", (network.key,)))
    dangling = "true" if not used and network.name not in BUILT_IN else "false"
    return (
        _is_one_of(filters.get("driver", ()), network.driver)
        and _is_one_of(filters.get("scope", ()), "local")
        and (not filters.get("type") or not kinds.isdisjoint(filters["type"]))
        and matches(filters.get("name", ()), network.name)
        and (not filters.get("id") or network.id.startswith(tuple(filters["id"])))
        and (not filters.get("idOrName") or bool({network.id, network.name} & set(filters["idOrName"])))
        and has_labels(network.config["Labels"], filters.get("label", ()))
        and (not wanted or dangling in wanted)
    )


def _truth(value: str) -> str:
    return {"1": "true", "0": "false"}.get(value, value.lower())


def _is_one_of(wanted: Sequence[str], value: str) -> bool:
    return not wanted or value in wanted


def document(tx: ReadTransaction, network: Network, *, containers: bool = True) -> Document:
    """Return a network as Docker shows it; with `containers`, who is connected."""
    connected: Document = {}
    if containers:
        for container_id, name, config in tx.all(
            """SELECT container.id, container.name, endpoint.config FROM endpoint
               JOIN container ON container.key = endpoint.container
               WHERE network = ? ORDER BY container.id""",
            (network.key,),
        ):
            endpoint = json.loads(config)
            address, prefix = endpoint["IPAddress"], endpoint["IPPrefixLen"]
            connected[container_id] = {
                "Name": name,
                "EndpointID": endpoint["EndpointID"],
                "MacAddress": endpoint["MacAddress"],
                "IPv4Address": f"{address}/{prefix}" if address else "",
                "IPv6Address": "",
            }
    config = dict(network.config)
    options, labels = config.pop("Options"), config.pop("Labels")
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": rfc3339nano(*divmod(network.created, 10**9)),
        **config,
        "Containers": connected,
        "Options": options,
        "Labels": labels,
    }
