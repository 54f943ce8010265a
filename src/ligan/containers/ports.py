"""Ports of containers that are published on this host. Parsing is pure.

Source: engine 20.10, go-connections/nat and libnetwork/portallocator.
"""

from __future__ import annotations

from ligan.errors import Conflict, Invalid
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any

PROTOCOLS = ("tcp", "udp", "sctp")

ANY = "0.0.0.0"  # noqa: S104 - where Docker publishes a port that names no address

FIRST_PORT, LAST_PORT = 49153, 65535
"""What Docker takes ports from where none is named (20.10: portallocator's defaults)."""


def parse_uint16(text: str) -> int:
    """Return a number of 16 bits. Raises ValueError in the words of Go's strconv.ParseUint."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if len(text) > 5 or int(text) >= 1 << 16:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


class Port(Value):
    """A port of a container, published on an address of the host, or not (`host_port` 0).

    `first` to `last` is what may be chosen from; 0 to 0 means any.
    """

    port: int
    protocol: str
    host_address: str = ""
    first: int = 0
    last: int = 0
    host_port: int = 0

    @property
    def key(self) -> str:
        """The port as Docker's documents name it."""
        return f"{self.port}/{self.protocol}"


def parse_port(text: str) -> tuple[int, str]:
    """Return number and protocol of "80/tcp", where tcp may be left out. Raises Invalid."""
    number, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in PROTOCOLS:
        raise Invalid(f"Invalid proto: {protocol}")
    return _number(number, text), protocol


def _number(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:6]) <= LAST_PORT:
        raise Invalid(f"Invalid port specification: {whole!r}".replace("'", '"'))
    return int(text)


def wanted_ports(host_config: Mapping[str, Any], exposed: Iterable[str]) -> list[Port]:
    """Return what is to be published: PortBindings, and with PublishAllPorts what is exposed besides."""
    ports: list[Port] = []
    bindings = host_config.get("PortBindings") or {}
    for name, places in bindings.items():
        number, protocol = parse_port(name)
        for place in places or [{}]:
            first, last = _range(place.get("HostPort") or "")
            ports.append(Port(number, protocol, place.get("HostIp") or "", first, last))
    if host_config.get("PublishAllPorts"):
        named = {port.key for port in ports}
        for name in exposed:
            number, protocol = parse_port(name)
            if f"{number}/{protocol}" not in named:
                ports.append(Port(number, protocol))
    return sorted(ports, key=lambda port: (port.port, port.protocol))


def _range(text: str) -> tuple[int, int]:
    """Return the bounds of "8080" or "8080-8090"; 0 and 0 of nothing. Raises Invalid."""
    if text in ("", "0"):
        return 0, 0
    first, dash, last = text.partition("-")
    bounds = _number(first, text), _number(last if dash else first, text)
    if bounds[0] > bounds[1]:
        raise Invalid(f'invalid range specified for the Port: "{text}"')
    return bounds


class PortTaken(Conflict):
    """Somebody else has the port of the host."""

    def __init__(self, container: str, container_id: str, port: Port) -> None:
        address = port.host_address or ANY
        super().__init__(
            f"driver failed programming external connectivity on endpoint {container} ({container_id}): "
            f"Bind for {address}:{port.first} failed: port is already allocated"
        )


def choose(port: Port, taken: Collection[tuple[str, int]], is_free: Any) -> Port | None:
    """Return the port with the host's port chosen; None where there is none.

    `taken` are protocol and number of what other containers have; `is_free(port)` asks the kernel.
    """
    bounds = (port.first, port.last) if port.first else (FIRST_PORT, LAST_PORT)
    for number in range(bounds[0], bounds[1] + 1):
        chosen = port.replace(host_port=number)
        if (port.protocol, number) not in taken and is_free(chosen):
            return chosen
    return None


def is_free(port: Port) -> bool:
    """Return whether nobody on this host listens on the port, by listening there for a moment."""
    import errno
    import socket

    kinds = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
    if port.protocol not in kinds:
        return True
    family = socket.AF_INET6 if ":" in port.host_address else socket.AF_INET
    with socket.socket(family, kinds[port.protocol]) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((port.host_address or ANY, port.host_port))
            if port.protocol == "tcp":
                probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise Invalid(
                f"cannot publish on {port.host_address}:{port.host_port}: {(error.strerror or '').lower()}"
            ) from None
    return True


def document(ports: Sequence[Port], exposed: Iterable[str]) -> dict[str, Any]:
    """Return NetworkSettings.Ports: what is published where, and null for what is exposed only."""
    shown: dict[str, Any] = dict.fromkeys(exposed)
    for port in ports:
        place = {"HostIp": port.host_address or ANY, "HostPort": str(port.host_port)}
        shown[port.key] = [*(shown.get(port.key) or []), place]
    return dict(sorted(shown.items()))
