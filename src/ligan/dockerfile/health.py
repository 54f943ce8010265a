"""HEALTHCHECK as the settings of an image have it."""

from __future__ import annotations

import re

from ligan.dockerfile.faults import quoted
from ligan.dockerfile.flags import flags_of
from ligan.errors import Invalid
from ligan.oci.durations import go_duration, parse_go_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.dockerfile.nodes import Instruction

_TIMES = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}


def health_check(instruction: Instruction, *, classic: bool) -> dict[str, Any]:
    """Return the health check that a HEALTHCHECK sets, times in nanoseconds. Raises Invalid."""
    if not instruction.arguments:
        raise Invalid("HEALTHCHECK requires at least one argument")
    kind, *arguments = instruction.arguments
    kind = str(kind).upper()
    if kind == "NONE":
        if arguments:
            raise Invalid("HEALTHCHECK NONE takes no arguments")
        return {"Test": ["NONE"]}
    flags = flags_of(instruction, classic=classic)
    if kind != "CMD":
        raise Invalid(f"Unknown type {quoted(kind)} in HEALTHCHECK (try CMD)")
    if not arguments:
        raise Invalid("Missing command after HEALTHCHECK CMD")
    check: dict[str, Any] = {"Test": ["CMD" if instruction.is_json else "CMD-SHELL", *arguments]}
    for flag, field in _TIMES.items():
        if not flags.one(flag):
            continue
        duration = parse_go_duration(flags.one(flag))
        if duration < 1_000_000 and (classic or duration):
            raise Invalid(f'Interval "{flag}" cannot be less than 1ms')
        if duration:
            check[field] = duration
    retries = _retries(flags.one("retries"), classic=classic) if flags.one("retries") else 0
    if retries:
        check["Retries"] = retries
    return check


def _retries(text: str, *, classic: bool) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise Invalid(f"strconv.ParseInt: parsing {quoted(text)}: invalid syntax")
    digits = text.lstrip("+-").lstrip("0")
    retries = int(digits[:19] or "0") * (-1 if text[0] == "-" else 1)
    if len(digits) > 19 or not -(1 << 31) <= retries < 1 << 31:
        raise Invalid(f"strconv.ParseInt: parsing {quoted(text)}: value out of range")
    if classic and retries < 1:
        raise Invalid(f"--retries must be at least 1 (not {retries})")
    if retries < 0:
        raise Invalid(f"--retries cannot be negative ({retries})")
    return retries


def classic_record(check: dict[str, Any]) -> str:
    """Return a check as 20.10 writes it into history: Go's %q of the struct."""
    test = " ".join(map(quoted, check["Test"]))
    times = " ".join([f'"{_duration(check, field)}"' for field in ("Interval", "Timeout", "StartPeriod")])
    return f"&{{[{test}] {times} {_quoted_rune(check.get('Retries', 0))}}}"


def modern_record(check: dict[str, Any]) -> str:
    """Return a check as BuildKit writes it into history: Go's %+v of the struct."""
    times = " ".join([f"{field}:{_duration(check, field)}" for field in _TIMES.values()])
    return f"{{Test:[{' '.join(check['Test'])}] {times} Retries:{check.get('Retries', 0)}}}"


def _duration(check: dict[str, Any], field: str) -> str:
    return go_duration(check.get(field, 0))


def _quoted_rune(number: int) -> str:
    """Return a number as Go's %q has it: the character of that code."""
    if number == ord("'"):
        return "'\\''"
    if number == ord('"'):
        return "'\"'"
    text = chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
    return f"'{quoted(text)[1:-1]}'"
