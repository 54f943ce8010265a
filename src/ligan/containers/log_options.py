"""What --log-opt says of a log's size. Pure.

Source: engine 20.10, daemon/logger/jsonfilelog, and go-units (FromHumanSize).
"""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


class LogLimits(Value):
    """How large a log may get before another is begun, and how many are kept in all. 0 bytes: no limit."""

    bytes: int
    files: int


def log_limits(host_config: Mapping[str, Any]) -> LogLimits:
    """Return the limits of a container's log. Raises Invalid in Docker's words."""
    options = (host_config.get("LogConfig") or {}).get("Config") or {}
    size = _size(options["max-size"]) if options.get("max-size", "-1") != "-1" else 0
    files = _number(options.get("max-file", "1"))
    return LogLimits(size, files)


def _size(text: str) -> int:
    """Return the bytes of a size such as `10m`, `1.5g` or `100kb`, in powers of a thousand."""
    digits = text.rstrip("bBkKmMgGtTpPiI ")
    unit = text[len(digits) :].strip().lower().removesuffix("b").removesuffix("i")
    try:
        return int(float(digits) * 1000 ** _UNITS[unit])
    except (KeyError, ValueError, OverflowError):
        raise Invalid(f"invalid size: '{text}'") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid(f'strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 1:
        raise Invalid("max-file cannot be less than 1")
    return int(text)
