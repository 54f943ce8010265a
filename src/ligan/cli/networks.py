"""`network create`, `ls`, `rm`, `connect`, `disconnect` and `prune`."""

from __future__ import annotations

from ligan.cli import tables
from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import FILTER, FORMAT, LIST, MAP, STRINGS, TEXT, Flag
from ligan.cli.output import Failure, write, write_error
from ligan.cli.removal import DRY_RUN, agreed, rehearsable
from ligan.errors import LiganError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.cli.flags import Options
    from ligan.cli.session import Session

    Document = dict[str, Any]

_HEADERS = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "IPv4": "IPV4",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "CreatedAt": "CREATED AT",
}


def _create(session: Session, options: Options) -> int:
    from ligan.cli.run_values import label, pairs

    request: Document = {
        "Name": options.arguments[0],
        "CheckDuplicate": True,
        "Driver": options.text("driver"),
        "EnableIPv6": options.on("ipv6"),
        "IPAM": {
            "Driver": options.text("ipam-driver"),
            "Options": pairs(options.values("ipam-opt")),
            "Config": _pools(options),
        },
        "Internal": options.on("internal"),
        "Attachable": options.on("attachable"),
        "Options": pairs(options.values("opt")),
        "Labels": pairs(options.read_all("label", label)),
    }
    network, warning = session.engine.create_network(request)
    if warning:
        write_error(f"WARNING: {warning}\n")
    write(f"{network}\n")
    return 0


def _pools(options: Options) -> list[Document]:
    """Return IPAM.Config: each range, gateway and auxiliary address with the subnet that it is in."""
    from ligan.cli.run_values import pairs

    pools = {subnet: {"Subnet": subnet} for subnet in options.values("subnet")}
    for name, field in (("ip-range", "IPRange"), ("gateway", "Gateway")):
        values = options.values(name)
        if len(values) > len(pools):
            raise Failure("every ip-range or gateway must have a corresponding subnet")
        for value in values:
            _pool_of(pools, value)[field] = value
    for name, address in pairs(options.values("aux-address")).items():
        _pool_of(pools, address).setdefault("AuxiliaryAddresses", {})[name] = address
    return list(pools.values())


def _pool_of(pools: dict[str, Document], value: str) -> Document:
    from ipaddress import ip_interface, ip_network

    for subnet, pool in pools.items():
        try:
            if ip_interface(value).ip in ip_network(subnet, strict=False):
                return pool
        except ValueError:
            return pool  # the engine says what is wrong with it
    raise Failure(f"no matching subnet for {value}")


CREATE = Command(
    _create,
    "NETWORK",
    "Create a network",
    (
        Flag("attachable", "Enable manual container attachment"),
        Flag(
            "aux-address",
            "Auxiliary IPv4 or IPv6 addresses used by Network driver (default map[])",
            kind=MAP,
        ),
        Flag("driver", "Driver to manage the Network", "d", TEXT, "bridge"),
        Flag("gateway", "IPv4 or IPv6 Gateway for the master subnet", kind=STRINGS),
        Flag("internal", "Restrict external access to the network"),
        Flag("ip-range", "Allocate container ip from a sub-range", kind=STRINGS),
        Flag("ipam-driver", "IP Address Management Driver", kind=TEXT, default="default"),
        Flag("ipam-opt", "Set IPAM driver specific options (default map[])", kind=MAP),
        Flag("ipv6", "Enable or disable IPv6 address assignment"),
        Flag("label", "Set metadata on a network", kind=LIST),
        Flag("opt", "Set driver specific options (default map[])", "o", MAP),
        Flag("subnet", "Subnet in CIDR format that represents a network segment", kind=STRINGS),
    ),
    least=1,
    most=1,
    error_prefix=DAEMON,
)


def _list(session: Session, options: Options) -> int:
    chosen, whole = options.text("format"), options.on("no-trunc")
    networks = sorted(
        session.engine.list_networks(options.filters()), key=lambda network: str(network["Name"])
    )
    write(
        tables.render(
            "{{.ID}}" if options.on("quiet") and chosen in ("", "table") else chosen,
            columns=("ID", "Name", "Driver", "Scope"),
            headers=_HEADERS,
            rows=[_row(network, whole=whole) for network in networks],
            context="network.networkContext",
            raw="network_id: {{.ID}}"
            if options.on("quiet")
            else "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n",
        )
    )
    return 0


def _row(network: Document, *, whole: bool) -> tables.Row:
    day, _, time = network["Created"].removesuffix("Z").partition("T")
    return {
        "ID": network["Id"] if whole else network["Id"][:12],
        "Name": network["Name"],
        "Driver": network["Driver"],
        "Scope": network["Scope"],
        "IPv4": _word(network.get("EnableIPv4", False)),
        "IPv6": _word(network["EnableIPv6"]),
        "Internal": _word(network["Internal"]),
        "Labels": ",".join([f"{key}={value}" for key, value in (network["Labels"] or {}).items()]),
        "CreatedAt": f"{day} {time} +0000 UTC",
        "Label": tables.label_of(network["Labels"]),
    }


def _word(value: bool) -> str:
    return "true" if value else "false"


LS = Command(
    _list,
    "",
    "List networks",
    (
        Flag("filter", 'Provide filter values (e.g. "driver=bridge")', "f", FILTER),
        FORMAT,
        Flag("no-trunc", "Do not truncate the output"),
        Flag("quiet", "Only display network IDs", "q"),
    ),
    error_prefix=DAEMON,
)


def _remove(session: Session, options: Options) -> int:
    """Remove each; at the end docker's client says once more that some could not be."""
    failed = False
    for name in options.arguments:
        try:
            session.engine.remove_network(name)
            write(f"{name}\n")
        except LiganError as error:
            if options.on("force") and isinstance(error, NotFound):
                continue
            write_error(f"{DAEMON}{error.message}\n")
            failed = True
    if failed:
        write_error("exit status 1\n")
    return 1 if failed else 0


REMOVE = Command(
    rehearsable(_remove),
    "NETWORK [NETWORK...]",
    "Remove one or more networks",
    (DRY_RUN, Flag("force", "Do not error if the network does not exist", "f")),
    least=1,
    most=None,
)


def _connect(session: Session, options: Options) -> int:
    from ligan.cli.run_values import pairs

    network, container = options.arguments
    addresses = {"IPv4Address": options.text("ip"), "IPv6Address": options.text("ip6")}
    addresses = {key: value for key, value in addresses.items() if value}
    endpoint: Document = {
        "IPAMConfig": addresses or None,
        "Links": options.values("link") or None,
        "Aliases": options.values("alias") or None,
        "DriverOpts": pairs(options.values("driver-opt")) or None,
    }
    session.engine.connect_network(network, container, endpoint)
    return 0


CONNECT = Command(
    _connect,
    "NETWORK CONTAINER",
    "Connect a container to a network",
    (
        Flag("alias", "Add network-scoped alias for the container", kind=STRINGS),
        Flag("driver-opt", "driver options for the network", kind=STRINGS),
        Flag("ip", 'IPv4 address (e.g., "172.30.100.104")', kind=TEXT),
        Flag("ip6", 'IPv6 address (e.g., "2001:db8::33")', kind=TEXT),
        Flag("link", "Add link to another container", kind=LIST),
    ),
    least=2,
    most=2,
    error_prefix=DAEMON,
)


def _disconnect(session: Session, options: Options) -> int:
    network, container = options.arguments
    session.engine.disconnect_network(network, container, force=options.on("force"))
    return 0


DISCONNECT = Command(
    _disconnect,
    "NETWORK CONTAINER",
    "Disconnect a container from a network",
    (Flag("force", "Force the container to disconnect from a network", "f"),),
    least=2,
    most=2,
    error_prefix=DAEMON,
)


def _prune(session: Session, options: Options) -> int:
    warning = "WARNING! This will remove all custom networks not used by at least one container."
    if not agreed(options, warning):
        return 1
    names = session.engine.prune_networks(options.filters())
    if names:
        write("Deleted Networks:\n" + "".join([f"{name}\n" for name in names]) + "\n")
    return 0


PRUNE = Command(
    rehearsable(_prune),
    "",
    "Remove all unused networks",
    (
        DRY_RUN,
        Flag("filter", 'Provide filter values (e.g. "until=<timestamp>")', kind=FILTER),
        Flag("force", "Do not prompt for confirmation", "f"),
    ),
    error_prefix=DAEMON,
)
