"""What EXPOSE takes for a port: `[[ip:]host:]container[/protocol]`.

Source: docker/go-connections, nat, which engine 20.10 uses, and BuildKit's
convert_expose.go, which says the same in lower case.
"""

from __future__ import annotations

import re

from ligan.dockerfile.faults import quoted
from ligan.errors import Invalid

_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")
_PROTOCOLS = ("tcp", "udp", "sctp")


def exposed_ports(text: str, *, classic: bool) -> list[str]:
    """Return the ports within the container, each `80/tcp`. Raises Invalid."""
    address, _, rest = text.rpartition(":")
    container, _, protocol = rest.partition("/")
    protocol = (protocol.partition("/")[0] if classic else protocol) or "tcp"
    if not classic:
        if not container:
            raise Invalid(f"invalid port: {quoted(text)}: no port specified")
        if protocol.lower() not in _PROTOCOLS:
            raise Invalid(f"invalid port: {quoted(text)}: invalid proto: {protocol}")
    ip, _, host = address.rpartition(":")
    if ip:
        _check_address(ip, classic)
    if not container:
        raise Invalid(f"No port specified: {text}<empty>")
    ports = _port_range(container)
    if not ports:
        raise _fault(f"Invalid containerPort: {container}", classic)
    if host:
        host_ports = _port_range(host)
        if not host_ports:
            raise _fault(f"Invalid hostPort: {host}", classic)
        if len(ports) not in (1, len(host_ports)):
            raise _fault(
                f"Invalid ranges specified for container and host Ports: {container} and {host}", classic
            )
    if protocol.lower() not in _PROTOCOLS:
        raise Invalid(f"Invalid proto: {protocol}")
    return [f"{port}/{protocol.lower()}" for port in ports]


def _check_address(ip: str, classic: bool) -> None:
    """Raise Invalid for what is no address; one of IPv6 is in brackets, BuildKit can do without."""
    from ipaddress import ip_address

    name = "ip" if classic else "IP"
    address = ip
    if classic or ip.startswith("["):
        fault = ""
        if not ip.startswith("["):
            fault = "too many colons in address" if ":" in ip else ""
        elif "]" not in ip:
            fault = "missing ']' in address"
        elif not ip.endswith("]"):
            fault = "missing port in address"
        if fault:
            raise _fault(f"Invalid {name} address {ip}: address {ip}:: {fault}", classic)
        address = ip.removeprefix("[").removesuffix("]")
    try:
        ip_address(address if "%" not in address else "")
    except ValueError:
        raise _fault(f"Invalid {name} address: {address}", classic) from None


def _fault(message: str, classic: bool) -> Invalid:
    return Invalid(message if classic else message[0].lower() + message[1:])


def _port_range(text: str) -> range:
    """Return the ports of `80` or `80-90`, none where it is neither."""
    match = _RANGE.fullmatch(text)
    ends = [end.lstrip("0") for end in match.groups() if end is not None] if match else []
    if not ends or any(len(end) > 5 for end in ends):
        return range(0)
    low, high = int(ends[0] or 0), int(ends[-1] or 0)
    return range(low, high + 1) if high < 1 << 16 else range(0)
