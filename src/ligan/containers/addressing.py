"""Subnets of networks and addresses of containers. Pure.

Source of the pools: engine 20.10, libnetwork/ipamutils.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from ligan.errors import Conflict, Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_POOLS = (
    *[(f"172.{second}.0.0/16", 16) for second in range(17, 32)],
    ("192.168.0.0/16", 20),
)
"""What Docker's networks without a subnet are taken from, and the length of their prefix."""


def parse_subnet(text: str) -> IPv4Network:
    """Return a subnet as it was asked for, without bits of a host, as Docker drops them. Raises Invalid."""
    try:
        return IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise Invalid(f"invalid subnet {text} : invalid CIDR address: {text}") from None


def parse_address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError:
        raise Invalid(f"invalid IPv4 address: {text}") from None


def free_subnet(taken: Collection[IPv4Network]) -> IPv4Network:
    """Return the first subnet of Docker's pools that overlaps none. Raises Conflict where all are taken."""
    for pool, prefix in _POOLS:
        for subnet in IPv4Network(pool).subnets(new_prefix=prefix):
            if not any(subnet.overlaps(other) for other in taken):
                return subnet
    raise Conflict(
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign "
        "to the network",
        "Name one with --subnet, or remove unused networks: ligan network prune",
    )


def check_free(subnet: IPv4Network, networks: Iterable[IPv4Network]) -> None:
    """Raise Conflict where another network has addresses of this subnet."""
    if any(subnet.overlaps(other) for other in networks):
        raise Conflict("Pool overlaps with other one on this address space")


def gateway_of(subnet: IPv4Network, wanted: str) -> IPv4Address:
    """Return the bridge's own address: the one asked for, else the first."""
    if not wanted:
        return subnet.network_address + 1
    gateway = parse_address(wanted)
    if gateway not in subnet:
        raise Invalid(f"no matching subnet for gateway {wanted}")
    return gateway


def free_address(subnet: IPv4Network, taken: Collection[str], pool: IPv4Network | None = None) -> str:
    """Return the lowest address of a subnet, or of its `pool`, that nobody has. Raises Conflict."""
    for address in _hosts(pool or subnet):
        if address not in (subnet.network_address, subnet.broadcast_address) and str(address) not in taken:
            return str(address)
    raise Conflict("no available IPv4 addresses on this network's address pools")


def _hosts(subnet: IPv4Network) -> Iterator[IPv4Address]:
    first, last = int(subnet.network_address), int(subnet.broadcast_address)
    return (IPv4Address(number) for number in range(first, last + 1))


def hardware_address(address: str) -> str:
    """Return the MAC that Docker gives an address: 02:42 and its four bytes (libnetwork/netutils)."""
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x42, *IPv4Address(address).packed))


def host_subnets(routes: str) -> list[IPv4Network]:
    """Return the subnets that this machine has routes to, of the text of /proc/net/route."""
    found = []
    for line in routes.splitlines()[1:]:
        words = line.split()
        destination, mask = int(words[1], 16), int(words[7], 16)
        if mask:
            network = IPv4Address(destination.to_bytes(4, "little"))
            found.append(IPv4Network(f"{network}/{IPv4Address(mask.to_bytes(4, 'little'))}", strict=False))
    return found
