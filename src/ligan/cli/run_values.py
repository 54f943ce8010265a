"""Values of flags of `run`, `create` and `update`, read as docker's client reads them (docker 28, cli/opts).

What pflag would refuse with the flag's name is a ValueError, for `Options.read`; what the client
finds later is a Failure of status 125.
"""

from __future__ import annotations

import os

from ligan.cli.flags import parse_integer
from ligan.cli.output import USAGE_STATUS, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
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
_MOUNT_KEYS = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}


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
    name, _, address = text.partition("=" if "=" in text else ":")
    if not name or not address:
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


def lines(paths: Sequence[str]) -> list[str]:
    """Return the lines of files, without comments and empty ones."""
    found: list[str] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8-sig") as file:
                found += [line.lstrip().rstrip("\n") for line in file]
        except OSError as error:
            raise refused(f"open {path}: {(error.strerror or str(error)).lower()}") from None
        except UnicodeDecodeError:
            raise refused(f"{path}: invalid utf8 bytes") from None
    return [line for line in found if line and not line.startswith("#")]


def refused(message: str) -> Failure:
    return Failure(message, USAGE_STATUS)


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


def exposed(ports: str, spec: str) -> list[int]:
    """Return the ports of an --expose, read as `numbers` does."""
    first, dash, last = ports.partition("-")
    complaint = f"invalid range format for --expose: {spec}, error"
    for bound in (first, last if dash else first):
        if not (bound.isascii() and bound.isdigit()):
            raise refused(f'{complaint}: strconv.ParseUint: parsing "{bound}": invalid syntax')
    return numbers(ports, f"{complaint}: invalid range specified for port: {ports}")


def network(spec: str) -> tuple[str, Document]:
    """Read a network's name, or fields such as name=net,alias=web,ip=10.0.0.2."""
    if "=" not in spec:
        return spec, {}
    name = ""
    settings: Document = {}
    for field in _fields(spec):
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


def _fields(spec: str) -> list[str]:
    import csv

    return next(csv.reader([spec]), [])


def restart_policy(text: str) -> Document:
    name, colon, count = text.partition(":")
    if colon and not name:
        raise refused("invalid restart policy format: no policy provided before colon")
    if colon and not (count.isascii() and count.isdigit()):
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
    source, *rest = spec.split(":")
    target, permissions = source, "rwm"
    if len(rest) > 2 or not source:
        raise refused(
            f"bad format for path: {spec}" if len(rest) > 2 else f"invalid device specification: {spec}"
        )
    if len(rest) == 2:
        target, permissions = rest
    elif rest and not rest[0].strip("rwm"):
        permissions = rest[0] or permissions
    elif rest:
        target = rest[0]
    return {"PathOnHost": source, "PathInContainer": target or source, "CgroupPermissions": permissions}


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


def mount(spec: str) -> Document:
    """Return an entry of HostConfig.Mounts of a --mount."""
    found: Document = {"Type": "volume", "Source": "", "Target": ""}
    for field in _fields(spec):
        key, equals, value = field.partition("=")
        key = _MOUNT_KEYS.get(key.lower(), key.lower())
        if key in ("readonly", "volume-nocopy", "bind-nonrecursive") and not equals:
            value = "true"
        elif not equals:
            raise ValueError(f"invalid field '{field}' must be a key=value pair")
        _set_mount(found, key, value)
    if not found["Type"]:
        raise ValueError("type is required")
    if not found["Target"]:
        raise ValueError("target is required")
    if found["Type"] == "bind" and found["Source"].startswith("."):
        found["Source"] = os.path.abspath(found["Source"])
    return found


def _set_mount(found: Document, key: str, value: str) -> None:
    if key in ("type", "source", "target", "consistency"):
        found[key.capitalize()] = value.lower() if key == "type" else value
    elif key == "readonly":
        found["ReadOnly"] = _switch(key, value)
    elif key == "bind-propagation":
        found.setdefault("BindOptions", {})["Propagation"] = value.lower()
    elif key == "bind-nonrecursive":
        found.setdefault("BindOptions", {})["NonRecursive"] = _switch(key, value)
    elif key == "volume-nocopy":
        found.setdefault("VolumeOptions", {})["NoCopy"] = _switch(key, value)
    elif key == "volume-label":
        found.setdefault("VolumeOptions", {}).setdefault("Labels", {}).update(pairs([value]))
    elif key == "volume-driver":
        found.setdefault("VolumeOptions", {}).setdefault("DriverConfig", {})["Name"] = value
    elif key == "volume-opt":
        driver = found.setdefault("VolumeOptions", {}).setdefault("DriverConfig", {})
        driver.setdefault("Options", {}).update(pairs([value]))
    elif key == "tmpfs-size":
        found.setdefault("TmpfsOptions", {})["SizeBytes"] = byte_count(value)
    elif key == "tmpfs-mode":
        if not value or value.strip("01234567"):
            raise ValueError(f"invalid value for {key}: {value}")
        found.setdefault("TmpfsOptions", {})["Mode"] = int(value, 8)
    else:
        raise ValueError(f"unexpected key '{key}' in '{key}={value}'")


def _switch(key: str, value: str) -> bool:
    if value.lower() not in ("1", "t", "true", "0", "f", "false"):
        raise ValueError(f"invalid value for {key}: {value}")
    return value.lower() in ("1", "t", "true")
