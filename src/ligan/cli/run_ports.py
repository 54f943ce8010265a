"""`--publish` and `--expose`, read as docker's client reads them (docker 28, go-connections/nat)."""

from __future__ import annotations

from ligan.cli.run_values import refused


def port(text: str) -> tuple[int, str]:
    from ligan.containers.ports import parse_port
    from ligan.errors import Invalid

    try:
        return parse_port(text)
    except Invalid as error:
        raise refused(error.message[0].lower() + error.message[1:]) from None


def published(spec: str) -> list[tuple[str, dict[str, str]]]:
    """Return ports and places of `[address:][host port:]port[/protocol]`, where ports may be ranges."""
    text, slash, protocol = spec.partition("/")
    rest, _, inner = text.rpartition(":")
    address, _, outer = rest.rpartition(":") if not rest.endswith("]") else (rest, "", "")
    inside = numbers(
        inner, f"invalid containerPort: {inner}" if inner else f"no port specified: {spec}<empty>"
    )
    ports = [port(f"{number}{slash}{protocol}") for number in inside]
    outside = numbers(outer, f"invalid hostPort: {outer}") if outer else []
    if outside and len(outside) != len(inside) and len(inside) != 1:
        raise refused(f"invalid ranges specified for container and host Ports: {inner} and {outer}")
    address = address.strip("[]")
    if address:
        _check_address(address)
    found = []
    for index, (number, kind) in enumerate(ports):
        if not outside:
            place = ""
        elif len(inside) == 1 and len(outside) > 1:
            place = f"{outside[0]}-{outside[-1]}"
        else:
            place = str(outside[index])
        found.append((f"{number}/{kind}", {"HostIp": address, "HostPort": place}))
    return found


def _check_address(address: str) -> None:
    from ipaddress import ip_address

    try:
        ip_address(address)
    except ValueError:
        raise refused(f"invalid IP address: {address}") from None


def numbers(text: str, complaint: str) -> list[int]:
    """Return the ports of "80" or "8000-8010". Raises Failure with the complaint."""
    first, dash, last = text.partition("-")
    bounds = [first, last if dash else first]
    if not all(bound.isascii() and bound.isdigit() and int(bound[:6]) < 1 << 16 for bound in bounds):
        raise refused(complaint)
    if int(bounds[0]) > int(bounds[1]):
        raise refused(complaint)
    return list(range(int(bounds[0]), int(bounds[1]) + 1))


def port_numbers(ports: str, spec: str) -> list[int]:
    """Return the ports of an --expose, read as `numbers` does."""
    if not ports:
        raise refused(f"invalid range format for --expose: {spec}, error: empty string specified for ports")
    first, dash, last = ports.partition("-")
    complaint = f"invalid range format for --expose: {spec}, error"
    for bound in (first, last if dash else first):
        if not (bound.isascii() and bound.isdigit()):
            raise refused(f'{complaint}: strconv.ParseUint: parsing "{bound}": invalid syntax')
    return numbers(ports, f"{complaint}: invalid range specified for port: {ports}")
