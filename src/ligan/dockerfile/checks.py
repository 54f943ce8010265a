"""What Docker finds wrong with an instruction before it does anything, in its words and its order.

Source: engine 20.10 and BuildKit, frontend/dockerfile/instructions.
"""

from __future__ import annotations

import re

from ligan.dockerfile.arguments import split_name
from ligan.dockerfile.faults import quoted
from ligan.dockerfile.flags import flags_of, suggestion
from ligan.dockerfile.health import health_check
from ligan.dockerfile.heredocs import parse_mark
from ligan.dockerfile.mounts import check_mount
from ligan.dockerfile.words import SPACE
from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.dockerfile.nodes import Instruction

_STAGE_NAME = re.compile(r"[a-z][a-z0-9\-_.]*")
_NETWORKS = ("default", "none", "host")
_SECURITIES = ("insecure", "sandbox")


def check(instruction: Instruction, *, classic: bool) -> None:
    """Raise Invalid for an instruction that Docker would not begin a build with."""
    checked = _CHECKS.get(instruction.name)
    if checked is None:
        if classic:
            raise Invalid(f"unknown instruction: {instruction.name}")
        written, _rest = split_name(instruction.original)
        raise Invalid(f"unknown instruction: {written}{suggestion(written, _CHECKS, any_case=True)}")
    if any("\0" in argument for argument in instruction.arguments if argument):
        # Docker fails later and less clearly: neither a path nor a process can have one.
        raise Invalid(f"{instruction.name} cannot have a NUL character")
    checked(instruction, classic)


def stage_name(instruction: Instruction) -> str:
    """Return the name that a FROM gives its stage, in lower case; empty for none. Raises Invalid."""
    arguments = [str(argument) for argument in instruction.arguments]
    if len(arguments) == 3 and arguments[1].lower() == "as":
        name = arguments[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            raise Invalid(
                f"invalid name for build stage: {quoted(arguments[2])}, "
                "name can't start with a number or contain symbols"
            )
        return name
    if len(arguments) != 1:
        raise Invalid("FROM requires either one or three arguments")
    return ""


def _at_least_one(instruction: Instruction) -> None:
    if not instruction.arguments:
        raise Invalid(f"{instruction.name} requires at least one argument")


def _exactly_one(instruction: Instruction, classic: bool) -> None:
    if len(instruction.arguments) != 1:
        raise Invalid(f"{instruction.name} requires exactly one argument")
    flags_of(instruction, classic=classic)


def _pairs(instruction: Instruction, classic: bool) -> None:
    flags_of(instruction, classic=classic)
    _names(instruction, classic)


def _names(instruction: Instruction, _classic: bool) -> None:
    _at_least_one(instruction)
    if not all(instruction.arguments[::2]):
        raise Invalid(f"{instruction.name} names can not be blank")


def _copying(instruction: Instruction, classic: bool) -> None:
    name = instruction.name
    if len(instruction.arguments) < 2:
        raise Invalid(
            f"{name} requires at least two arguments, but only one was provided. "
            "Destination could not be determined"
        )
    flags_of(instruction, classic=classic)
    if not classic and parse_mark(str(instruction.arguments[-1])):
        raise Invalid(f"{name} cannot accept a heredoc as a destination")


def _from(instruction: Instruction, classic: bool) -> None:
    stage_name(instruction)
    flags_of(instruction, classic=classic)


def _onbuild(instruction: Instruction, classic: bool) -> None:
    _at_least_one(instruction)
    flags_of(instruction, classic=classic)
    trigger = split_name(str(instruction.arguments[0]))[0].upper()
    if trigger == "ONBUILD":
        raise Invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in ("MAINTAINER", "FROM"):
        raise Invalid(f"{trigger} isn't allowed as an ONBUILD trigger")


def _run(instruction: Instruction, classic: bool) -> None:
    flags = flags_of(instruction, classic=classic)
    for mount in flags.many("mount"):
        check_mount(mount, classic=classic)
    if flags.one("network") not in _NETWORKS and "network" in flags.names():
        raise Invalid(f"invalid network mode {quoted(flags.one('network'))}")
    if flags.one("security") not in _SECURITIES and "security" in flags.names():
        raise Invalid(f"security {quoted(flags.one('security'))} is not valid")


def _flags_only(instruction: Instruction, classic: bool) -> None:
    flags_of(instruction, classic=classic)


def _list(instruction: Instruction, classic: bool) -> None:
    _at_least_one(instruction)
    flags_of(instruction, classic=classic)
    if instruction.name == "VOLUME" and not all(str(item).strip(SPACE) for item in instruction.arguments):
        raise Invalid("VOLUME specified can not be an empty string")


def _shell(instruction: Instruction, classic: bool) -> None:
    flags_of(instruction, classic=classic)
    _at_least_one(instruction)
    if not instruction.is_json:
        raise Invalid("SHELL requires the arguments to be in JSON form")


def _health(instruction: Instruction, classic: bool) -> None:
    health_check(instruction, classic=classic)


def _stopsignal(instruction: Instruction, _classic: bool) -> None:
    if len(instruction.arguments) != 1:
        raise Invalid("STOPSIGNAL requires exactly one argument")


_CHECKS: dict[str, Callable[[Instruction, bool], None]] = {
    "ADD": _copying,
    "ARG": _names,
    "CMD": _flags_only,
    "COPY": _copying,
    "ENTRYPOINT": _flags_only,
    "ENV": _pairs,
    "EXPOSE": _list,
    "FROM": _from,
    "HEALTHCHECK": _health,
    "LABEL": _pairs,
    "MAINTAINER": _exactly_one,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stopsignal,
    "USER": _exactly_one,
    "VOLUME": _list,
    "WORKDIR": _exactly_one,
}
