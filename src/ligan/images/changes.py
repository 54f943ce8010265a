"""`--change` of import and commit: Dockerfile instructions applied to the run settings of an image. Pure.

Docker parses all of them, refuses what may not be a change, then applies one
after another (engine 20.10, builder/dockerfile, BuildFromConfig; STOPSIGNAL is
allowed since 23). Errors are in its words.
"""

from __future__ import annotations

import json
import re
from posixpath import join, normpath

from ligan.errors import Invalid
from ligan.images.shell_words import expand, quoted, split_words
from ligan.images.times import parse_go_duration
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_SHELL = ["/bin/sh", "-c"]
_SPACE = "\t\v\f\r "


class _Instruction(Value):
    """One instruction: `arguments` as its kind splits them; `is_json` if they came as a JSON array."""

    name: str
    original: str
    flags: tuple[str, ...]
    arguments: list[str]
    is_json: bool
    escape: str


def apply_changes(config: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return the config (of `oci.runconfig.run_config`) with the changes. Raises Invalid."""
    if not changes:
        return config
    escape, lines = _logical_lines("\n".join(changes))
    instructions = [_parse(line, escape) for line in lines]
    if not instructions:
        raise Invalid("file with no instructions")
    for instruction in instructions:
        if instruction.name not in _APPLY:
            raise Invalid(f"{instruction.name} is not a valid change command")
    state = _State(config)
    for instruction in instructions:
        _check(instruction)
    for instruction in instructions:
        _APPLY[instruction.name](state, instruction)
    return state.config


def _logical_lines(text: str) -> tuple[str, list[str]]:
    """Return the escape character and the lines, continued ones joined, without comments and blanks."""
    escape = "\\"
    directive = re.match(r"#[ \t]*escape[ \t]*=[ \t]*([\\`])[ \t]*(?:\n|$)", text, re.IGNORECASE)
    if directive:
        escape = directive[1]
    token = re.escape(escape)
    continued = re.compile(rf"(^|[^{token}]){token}[ \t]*$")
    lines: list[str] = []
    pending: str | None = None
    for line in text.split("\n"):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        line, is_continued = continued.subn(r"\1", line)
        pending = line.lstrip() if pending is None else pending + line
        if not is_continued:
            lines.append(pending)
            pending = None
    return escape, lines if pending is None else [*lines, pending]


def _parse(line: str, escape: str) -> _Instruction:
    name, rest = [*re.split(rf"[{_SPACE}]+", line.strip(), maxsplit=1), ""][:2]
    name = name.lower()
    flags, rest = _split_flags(rest, escape)
    arguments, is_json = [rest] if rest else [], False
    if name in ("env", "label"):
        arguments = _pairs(rest, name.upper(), escape)
    elif name == "expose":
        arguments = rest.split()
    elif name in ("cmd", "entrypoint", "volume", "run", "shell"):
        array = _json_array(rest)
        is_json = array is not None
        if array is not None:
            arguments = array
        elif name == "volume":
            arguments = rest.split()
    elif name == "healthcheck" and rest:
        kind, command = [*rest.split(maxsplit=1), ""][:2]
        array = _json_array(command)
        is_json = array is not None
        arguments = [kind, *(array if array is not None else [command] if command else [])]
    return _Instruction(name, line, flags, arguments, is_json, escape)


def _split_flags(rest: str, escape: str) -> tuple[tuple[str, ...], str]:
    """Take leading `--name=value` words off; a bare `--` ends them."""
    flags = []
    while rest.startswith("--"):
        word = split_words(rest, escape)[0]
        rest = rest[len(word) :].lstrip()
        if word == "--":
            break
        flags.append(word)
    return tuple(flags), rest.strip()


def _pairs(rest: str, name: str, escape: str) -> list[str]:
    """Return key, value, key, value … of `k=v k=v` or, in the old form, of `k v`."""
    words = split_words(rest, escape)
    if not words:
        return []
    if "=" not in words[0]:
        parts = re.split(rf"[{_SPACE}]+", rest, maxsplit=1)
        if len(parts) < 2:
            raise Invalid(f"{name} must have two arguments")
        return parts
    pairs = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise Invalid(f"Syntax error - can't find = in {quoted(word)}. Must be of the form: name=value")
        pairs += [key, value]
    return pairs


def _json_array(text: str) -> list[str] | None:
    """Return the array of strings that the text begins with, None for anything else."""
    if not text.lstrip().startswith("["):
        return None
    try:
        array, _end = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(item, str) for item in array):
        raise Invalid("when using JSON array syntax, arrays must be comprised of strings only")
    return list(array)


def _check(instruction: _Instruction) -> None:
    """Raise what Docker finds wrong before anything is applied: the number of arguments, and flags."""
    name = instruction.name.upper()
    arguments = instruction.arguments
    if name in ("ENV", "LABEL", "EXPOSE", "VOLUME", "ONBUILD", "HEALTHCHECK") and not arguments:
        raise Invalid(f"{name} requires at least one argument")
    if name in ("USER", "WORKDIR", "STOPSIGNAL") and len(arguments) != 1:
        raise Invalid(f"{name} requires exactly one argument")
    if name == "HEALTHCHECK":
        _health(instruction)
        return
    if instruction.flags:
        raise Invalid(f"Unknown flag: {_flag_name(instruction.flags[0])}")
    if name in ("ENV", "LABEL") and not all(arguments[::2]):
        raise Invalid(f"{name} names can not be blank")
    if name == "VOLUME" and not all(item.strip() for item in arguments):
        raise Invalid("VOLUME specified can not be an empty string")
    if name == "ONBUILD":
        trigger = arguments[0].split()[0].upper()
        if trigger == "ONBUILD":
            raise Invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
        if trigger in ("MAINTAINER", "FROM"):
            raise Invalid(f"{trigger} isn't allowed as an ONBUILD trigger")


def _flag_name(flag: str) -> str:
    return flag[2:].partition("=")[0]


_HEALTH_TIMES = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod"}


def _health(instruction: _Instruction) -> dict[str, Any]:
    kind, *arguments = instruction.arguments
    kind = kind.upper()
    if kind == "NONE":
        if arguments:
            raise Invalid("HEALTHCHECK NONE takes no arguments")
        return {"Test": ["NONE"]}
    flags = _health_flags(instruction.flags)
    if kind != "CMD":
        raise Invalid(f"Unknown type {quoted(kind)} in HEALTHCHECK (try CMD)")
    if not arguments:
        raise Invalid("Missing command after HEALTHCHECK CMD")
    check: dict[str, Any] = {"Test": ["CMD" if instruction.is_json else "CMD-SHELL", *arguments]}
    for flag, field in _HEALTH_TIMES.items():
        if flags.get(flag):
            duration = parse_go_duration(flags[flag])
            if duration < 1_000_000:
                raise Invalid(f'Interval "{flag}" cannot be less than 1ms')
            check[field] = duration
    if flags.get("retries"):
        check["Retries"] = _retries(flags["retries"])
    return check


def _health_flags(words: Sequence[str]) -> dict[str, str]:
    flags: dict[str, str] = {}
    for word in words:
        name, equals, value = word[2:].partition("=")
        if name not in (*_HEALTH_TIMES, "retries"):
            raise Invalid(f"Unknown flag: {name}")
        if name in flags:
            raise Invalid(f"Duplicate flag specified: {name}")
        if not equals:
            raise Invalid(f"Missing a value on flag: {name}")
        flags[name] = value.replace('"', "").replace("'", "")
    return flags


def _retries(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise Invalid(f"strconv.ParseInt: parsing {quoted(text)}: invalid syntax")
    digits = text.lstrip("+-").lstrip("0")
    retries = int(digits[:19] or "0") * (-1 if text[0] == "-" else 1)
    if len(digits) > 19 or not -(1 << 31) <= retries < 1 << 31:
        raise Invalid(f"strconv.ParseInt: parsing {quoted(text)}: value out of range")
    if retries < 1:
        raise Invalid(f"--retries must be at least 1 (not {retries})")
    return retries


class _State:
    """The settings as they stand between two instructions."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = dict(config)
        self.has_command = False

    def expand(self, word: str, instruction: _Instruction) -> str:
        variables = dict(item.partition("=")[::2] for item in reversed(self.config["Env"] or ()))
        return expand(word, variables, instruction.escape)

    def add_to_set(self, field: str, names: Sequence[str]) -> None:
        self.config[field] = dict(
            sorted({**(self.config.get(field) or {}), **{name: {} for name in names}}.items())
        )


def _env(state: _State, instruction: _Instruction) -> None:
    words = [state.expand(word, instruction) for word in instruction.arguments]
    env = list(state.config["Env"] or ())
    for name, value in zip(words[::2], words[1::2], strict=True):
        place = next((at for at, item in enumerate(env) if item.partition("=")[0] == name), len(env))
        env[place : place + 1] = [f"{name}={value}"]
    state.config["Env"] = env


def _label(state: _State, instruction: _Instruction) -> None:
    words = [state.expand(word, instruction) for word in instruction.arguments]
    labels = {**(state.config["Labels"] or {}), **dict(zip(words[::2], words[1::2], strict=True))}
    state.config["Labels"] = dict(sorted(labels.items()))


def _cmd(state: _State, instruction: _Instruction) -> None:
    state.config["Cmd"] = _command(instruction)
    state.has_command = state.has_command or bool(instruction.arguments)


def _entrypoint(state: _State, instruction: _Instruction) -> None:
    state.config["Entrypoint"] = _command(instruction) if instruction.arguments else None
    if not state.has_command:
        state.config["Cmd"] = None


def _command(instruction: _Instruction) -> list[str]:
    return [*([] if instruction.is_json else _SHELL), *instruction.arguments]


def _expose(state: _State, instruction: _Instruction) -> None:
    words = [state.expand(word, instruction) for word in sorted(instruction.arguments)]
    state.add_to_set(
        "ExposedPorts", [port for word in words for item in word.split() for port in _ports(item)]
    )


_PORT_RANGE = r"([0-9]+)(?:-([0-9]+))?"


def _ports(text: str) -> list[str]:
    """Return the container's ports of `[[ip:]host:]container[/protocol]` (docker/go-connections, nat)."""
    address, _, rest = text.rpartition(":")
    container, _, protocol = rest.partition("/")
    protocol = protocol.partition("/")[0] or "tcp"
    ip, _, host = address.rpartition(":")
    if ":" in ip and not ip.startswith("["):
        raise Invalid(f"Invalid ip address {ip}: address {ip}:: too many colons in address")
    if ip and not re.fullmatch(r"[0-9.]+|\[[0-9a-fA-F:.]+\]", ip):
        raise Invalid(f"Invalid ip address: {ip}")
    if not container:
        raise Invalid(f"No port specified: {text}<empty>")
    ports = _port_range(container)
    if not ports:
        raise Invalid(f"Invalid containerPort: {container}")
    if host:
        host_ports = _port_range(host)
        if not host_ports:
            raise Invalid(f"Invalid hostPort: {host}")
        if len(ports) not in (1, len(host_ports)):
            raise Invalid(f"Invalid ranges specified for container and host Ports: {container} and {host}")
    if protocol.lower() not in ("tcp", "udp", "sctp"):
        raise Invalid(f"Invalid proto: {protocol}")
    return [f"{port}/{protocol.lower()}" for port in ports]


def _port_range(text: str) -> range:
    match = re.fullmatch(_PORT_RANGE, text)
    if not match:
        return range(0)
    low, high = int(match[1]), int(match[2] or match[1])
    return range(low, high + 1) if high < 1 << 16 else range(0)


def _volume(state: _State, instruction: _Instruction) -> None:
    volumes = [state.expand(item.strip(), instruction) for item in instruction.arguments]
    if not all(volumes):
        raise Invalid("VOLUME specified can not be an empty string")
    state.add_to_set("Volumes", volumes)


def _user(state: _State, instruction: _Instruction) -> None:
    state.config["User"] = state.expand(instruction.arguments[0], instruction)


def _workdir(state: _State, instruction: _Instruction) -> None:
    path = state.expand(instruction.arguments[0], instruction)
    if not path:
        raise Invalid("cannot normalize nothing")
    # An absolute path stays as it is written, a relative one becomes clean.
    here = state.config["WorkingDir"]
    state.config["WorkingDir"] = path if path.startswith("/") else normpath(join("/", here, path))


def _stopsignal(state: _State, instruction: _Instruction) -> None:
    import signal

    text = state.expand(instruction.arguments[0], instruction)
    name = text.upper().removeprefix("SIG")
    is_number = text.isascii() and text.isdigit() and len(text) < 19 and 0 < int(text) < 65
    if not is_number and f"SIG{name.partition('+')[0].partition('-')[0]}" not in signal.Signals.__members__:
        raise Invalid(f"Invalid signal: {text}")
    state.config["StopSignal"] = text


def _onbuild(state: _State, instruction: _Instruction) -> None:
    trigger = re.sub(r"(?i)^\s*ONBUILD\s*", "", instruction.original)
    state.config["OnBuild"] = [*(state.config["OnBuild"] or ()), trigger]


def _healthcheck(state: _State, instruction: _Instruction) -> None:
    state.config["Healthcheck"] = _health(instruction)


_APPLY: dict[str, Callable[[_State, _Instruction], None]] = {
    "cmd": _cmd,
    "entrypoint": _entrypoint,
    "env": _env,
    "expose": _expose,
    "healthcheck": _healthcheck,
    "label": _label,
    "onbuild": _onbuild,
    "stopsignal": _stopsignal,
    "user": _user,
    "volume": _volume,
    "workdir": _workdir,
}
