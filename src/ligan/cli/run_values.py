"""Values of flags of `run`, `create` and `update`, read as docker's client reads them (docker 28, cli/opts).

What pflag would refuse with the flag's name is a ValueError, for `Options.read`; what the client
finds later is a Failure of status 125.
"""

from __future__ import annotations

from ligan.cli.flags import parse_integer
from ligan.cli.output import USAGE_STATUS, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Document = dict[str, Any]

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_ULIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss"),
    *("rtprio", "rttime", "sigpending", "stack"),
)
_SYSCTLS = (
    *("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax"),
    *("kernel.shmmni", "kernel.shm_rmid_forced"),
)


def byte_count(text: str) -> int:
    """Return the bytes of "50m", "1.5g" or "1024" (go-units, RAMInBytes)."""
    end = max([at for at, char in enumerate(text) if char in "0123456789. "], default=-1) + 1
    number, unit = text[:end].removesuffix(" "), text[end:].lower()
    if not number or number.strip("0123456789."):
        raise ValueError(f"invalid size: '{text}'")
    if number.count(".") > 1 or number == ".":
        raise ValueError(f'strconv.ParseFloat: parsing "{number}": invalid syntax')
    if unit[1:] not in ("", "b", "ib") or unit[:1] not in _UNITS or (unit[:1] == "b" and unit != "b"):
        raise ValueError(f"invalid suffix: '{unit}'")
    return int(float(number) * _UNITS[unit[:1]])


def swap_bytes(text: str) -> int:
    """Return the bytes of --memory-swap: -1 is no limit."""
    return -1 if text == "-1" else byte_count(text)


def nano_cpus(text: str) -> int:
    from decimal import Decimal, InvalidOperation

    try:
        nano = Decimal(text) * 10**9
    except InvalidOperation:
        nano = Decimal("NaN")
    if not nano.is_finite():
        raise ValueError(f"failed to parse {text} as a rational number")
    if nano != int(nano):
        raise ValueError("value is too precise")
    return int(nano)


def duration(text: str) -> int:
    """Return nanoseconds of "1m30s"."""
    from ligan.errors import Invalid
    from ligan.oci.durations import parse_go_duration

    try:
        return parse_go_duration(text)
    except Invalid as error:
        raise ValueError(error.message) from None


def variable(text: str) -> str:
    if not text.partition("=")[0]:
        raise ValueError(f"invalid environment variable: {text}")
    return text


def label(text: str) -> str:
    if not text.partition("=")[0]:
        raise ValueError(f"invalid label '{text}': empty name")
    return text


def stream(text: str) -> str:
    if text.lower() not in ("stdin", "stdout", "stderr"):
        raise ValueError("valid streams are STDIN, STDOUT and STDERR")
    return text.lower()


def extra_host(text: str) -> str:
    """Return `name:address` of that or of `name=address`."""
    name, mark, address = text.partition("=" if "=" in text else ":")
    if not name or not mark:
        raise ValueError(f'bad format for add-host: "{text}"')
    bare = address.removeprefix("[").removesuffix("]")
    if bare != "host-gateway":
        from ipaddress import ip_address

        try:
            ip_address(bare)
        except ValueError:
            raise ValueError(f'invalid IP address in add-host: "{bare}"') from None
    return f"{name}:{bare}"


def pairs(values: Iterable[str]) -> dict[str, str]:
    return {key: text for key, _, text in [value.partition("=") for value in values]}


def refused(message: str) -> Failure:
    return Failure(message, USAGE_STATUS)


def network(spec: str) -> tuple[str, Document]:
    """Read a network's name, or fields such as name=net,alias=web,ip=10.0.0.2."""
    if "=" not in spec:
        return spec, {}
    name = ""
    settings: Document = {}
    for field in fields(spec):
        key, equals, value = field.partition("=")
        key = key.strip().lower()
        if not equals:
            raise ValueError(f"invalid field {field}")
        if key == "name":
            name = value
        elif key == "alias":
            settings.setdefault("Aliases", []).append(value)
        elif key in ("ip", "ip6"):
            protocol = "IPv4Address" if key == "ip" else "IPv6Address"
            settings.setdefault("IPAMConfig", {})[protocol] = value
        elif key == "mac-address":
            settings["MacAddress"] = value
        elif key == "driver-opt":
            settings.setdefault("DriverOpts", {}).update(pairs([value]))
        else:
            raise ValueError(f"invalid field key {key}")
    if not name:
        raise ValueError("network name/id is not specified")
    return name, settings


def fields(spec: str) -> list[str]:
    """Return the fields of a line of CSV. Raises ValueError in the words of Go's encoding/csv."""
    import csv

    if not spec:
        raise ValueError("EOF")
    try:
        return next(csv.reader([spec], strict=True))
    except csv.Error:
        raise ValueError(
            f'parse error on line 1, column {len(spec) + 1}: extraneous or missing " in quoted-field'
        ) from None


def restart_policy(text: str) -> Document:
    name, colon, count = text.partition(":")
    if colon and not name:
        raise refused("invalid restart policy format: no policy provided before colon")
    digits = count.removeprefix("-").removeprefix("+")
    if colon and not (digits.isascii() and digits.isdigit()):
        raise refused("invalid restart policy format: maximum retry count must be an integer")
    return {"Name": name, "MaximumRetryCount": int(count) if colon else 0}


def security_option(value: str) -> str:
    """Return an option as the engine takes it: a seccomp profile is sent, not named."""
    key, mark, path = value.partition("=" if "=" in value else ":")
    if not mark and key != "no-new-privileges":
        raise refused(f'Invalid --security-opt: "{value}"')
    if key != "seccomp" or path in ("unconfined", "builtin"):
        return value
    import json

    try:
        with open(path, encoding="utf-8") as file:
            return f"seccomp={json.dumps(json.load(file), separators=(',', ':'))}"
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise refused(f"opening seccomp profile ({path}) failed: open {path}: {reason}") from None
    except ValueError as error:
        raise refused(f"compacting json for seccomp profile ({path}) failed: {error}") from None


def byte_rate(spec: str) -> Document:
    path, text = _throttled(spec)
    try:
        return {"Path": path, "Rate": byte_count(text)}
    except ValueError:
        raise ValueError(
            f"invalid rate for device: {spec}. The correct format is <device-path>:<number>[<unit>]. "
            "Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def operation_rate(spec: str) -> Document:
    path, text = _throttled(spec)
    if not (text.isascii() and text.isdigit()):
        unit = "<device-path>:<number>. Number must be a positive integer"
        raise ValueError(f"invalid rate for device: {spec}. The correct format is {unit}")
    return {"Path": path, "Rate": int(text)}


def _throttled(spec: str) -> tuple[str, str]:
    path, colon, text = spec.partition(":")
    if not colon:
        raise ValueError(f"bad format: {spec}")
    if not path.startswith("/dev/"):
        raise ValueError(f"bad format for device path: {spec}")
    return path, text


def device_weight(spec: str) -> Document:
    path, text = _throttled(spec)
    if not (text.isascii() and text.isdigit()) or (int(text) and not 10 <= int(text) <= 1000):
        raise ValueError(f"invalid weight for device: {spec}")
    return {"Path": path, "Weight": int(text)}


def device(spec: str) -> Document:
    """Return an entry of HostConfig.Devices of `path[:path in the container][:permissions]`."""
    source, *rest = spec.split(":")
    if not source or len(rest) > 2:
        raise refused(f"bad format for path: {spec}")
    target, permissions = source, "rwm"
    if len(rest) == 2:
        target, permissions = rest
        if not _is_permission(permissions):
            raise refused(f"bad mode specified: {permissions}")
    elif rest and _is_permission(rest[0]):
        permissions = rest[0]
    elif rest:
        target = rest[0]
    if not target.startswith("/"):
        raise refused(f"{target} is not an absolute path")
    return {"PathOnHost": source, "PathInContainer": target, "CgroupPermissions": permissions}


def _is_permission(text: str) -> bool:
    return bool(text) and not text.strip("rwm") and len(set(text)) == len(text)


def device_rule(text: str) -> str:
    kind, space, rest = text.partition(" ")
    numbers, other, access = rest.partition(" ")
    parts = numbers.split(":")
    if (
        not space
        or not other
        or kind not in ("a", "b", "c")
        or len(parts) != 2
        or not all(part == "*" or (part.isascii() and part.isdigit()) for part in parts)
        or access.strip("rwm")
        or not 1 <= len(access) <= 3
    ):
        raise ValueError(f"invalid device cgroup format '{text}'")
    return text


def ulimit(spec: str) -> Document:
    """Return an entry of HostConfig.Ulimits (go-units, ParseUlimit)."""
    name, equals, limits = spec.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {spec}")
    if name not in _ULIMITS:
        raise ValueError(f"invalid ulimit type: {name}")
    bounds = [parse_integer(bound) for bound in limits.split(":")]
    if len(bounds) > 2:
        raise ValueError(f"too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`")
    soft, hard = bounds[0], bounds[-1]
    if hard != -1:
        if soft == -1:
            raise ValueError(
                "ulimit soft limit must be less than or equal to hard limit: "
                f"soft: -1 (unlimited), hard: {hard}"
            )
        if soft > hard:
            raise ValueError(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
    return {"Name": name, "Soft": soft, "Hard": hard}


def sysctl(text: str) -> str:
    """Return a setting of a container's own namespaces; no other may be set."""
    name, equals, _ = text.partition("=")
    if not equals or not (name in _SYSCTLS or name.startswith(("net.", "fs.mqueue."))):
        raise ValueError(f"sysctl '{text}' is not allowed")
    return text


def domain(text: str) -> str:
    """Return a domain for --dns-search, without a dot at its end; "." is none at all."""
    text = text.strip(" ")
    name = text.removesuffix(".")
    is_domain = any(char.isascii() and char.isalpha() for char in name) and len(name) < 255
    if text != "." and not (is_domain and all(map(_is_label, name.split(".")))):
        raise ValueError(f"{text} is not a valid domain")
    return name or text


def _is_label(text: str) -> bool:
    plain = text.replace("-", "")
    return text.isascii() and plain.isalnum() and text[0] != "-" and text[-1] != "-"


def mac_address(text: str) -> str:
    """Check a --mac-address: six, eight or twenty bytes, as Go's net.ParseMAC takes them."""
    mark = "." if text[4:5] == "." else text[2:3]
    parts = text.split(mark) if mark and mark in ":-." else []
    digits = 4 if mark == "." else 2
    count = len(parts) * digits // 2
    if count not in (6, 8, 20) or not all(
        len(part) == digits and not part.strip("0123456789abcdefABCDEF") for part in parts
    ):
        raise refused(f"{text} is not a valid mac address")
    return text


def storage_option(text: str) -> str:
    if "=" not in text:
        raise refused("invalid storage option")
    return text


def address(text: str) -> str:
    from ipaddress import ip_address

    try:
        return str(ip_address(text.strip()))
    except ValueError:
        raise ValueError(f"IP address is not correctly formatted: {text}") from None


def link(text: str) -> str:
    if not text or text.count(":") > 1:
        raise ValueError(f"bad format for links: {text}" if text else "empty string specified for links")
    return text
