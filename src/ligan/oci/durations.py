"""Durations as Go's documents write them, and Go's quotes around those that it cannot read."""

from __future__ import annotations

from ligan.errors import Invalid

DIGITS = "0123456789"
_SECOND = 1_000_000_000
_DURATION_UNITS = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,  # U+00B5
    "μs": 1000,  # U+03BC
    "ms": 1_000_000,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
}


def parse_go_duration(text: str) -> int:
    """Return the nanoseconds of a Go duration such as `1h30m` or `-1.5s`.

    Raises Invalid in Go's words.
    """
    sign, rest = (-1 if text[:1] == "-" else 1), text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise Invalid(f"time: invalid duration {quote_bytes(text)}")
    total = 0
    while rest:
        if rest[0] not in DIGITS + ".":
            raise Invalid(f"time: invalid duration {quote_bytes(text)}")
        whole, rest = split_run(rest, DIGITS)
        fraction = ""
        if rest[:1] == ".":
            fraction, rest = split_run(rest[1:], DIGITS)
        significant = whole.lstrip("0")  # Python reads no more than 4,300 digits, even of nothing
        if not whole + fraction or len(significant) > 19:
            raise Invalid(f"time: invalid duration {quote_bytes(text)}")
        length = next((at for at, char in enumerate(rest) if char in DIGITS + "."), len(rest))
        unit, rest = rest[:length], rest[length:]
        if not unit:
            raise Invalid(f"time: missing unit in duration {quote_bytes(text)}")
        if unit not in _DURATION_UNITS:
            raise Invalid(f"time: unknown unit {quote_bytes(unit)} in duration {quote_bytes(text)}")
        size = _DURATION_UNITS[unit]
        fraction = fraction[:18]  # further digits are less than a nanosecond
        total += int(significant or "0") * size + int(fraction or "0") * size // 10 ** len(fraction)
        if total > 2**63 - (sign > 0):
            raise Invalid(f"time: invalid duration {quote_bytes(text)}")
    return sign * total


def go_duration(nanoseconds: int) -> str:
    """Return a Go duration's text, such as `1h0m30s`, `1.5s` or `20µs`."""
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", int(nanoseconds))
    if rest < 1_000_000_000:
        for unit, size in (("ms", 1_000_000), ("µs", 1000), ("ns", 1)):
            if rest >= size:
                return f"{sign}{_decimal(rest, size)}{unit}"
        return "0s"
    minutes, rest = divmod(rest, 60_000_000_000)
    text = f"{_decimal(rest, 1_000_000_000)}s"
    if minutes:
        text = f"{minutes % 60}m{text}"
    return sign + (f"{minutes // 60}h{text}" if minutes >= 60 else text)


def _decimal(value: int, unit: int) -> str:
    whole, part = divmod(value, unit)
    fraction = str(part).rjust(len(str(unit)) - 1, "0").rstrip("0")
    return f"{whole}.{fraction}" if part else str(whole)


def split_run(text: str, valid: str) -> tuple[str, str]:
    """Return the characters in front that are among `valid`, and the rest."""
    rest = text.lstrip(valid)
    return text[: len(text) - len(rest)], rest


def quote_bytes(text: str) -> str:
    """Quote as Go's package time does: what is not plain ASCII as hexadecimal bytes."""
    quoted = ""
    for byte in text.encode("utf-8", "surrogateescape"):
        char = chr(byte)
        quoted += f"\\{char}" if char in '"\\' else char if " " <= char < "\x7f" else f"\\x{byte:02x}"
    return f'"{quoted}"'
