"""Times and durations as Docker's filters and Go's documents write them."""

from __future__ import annotations

import time

from ligan.errors import Invalid

SECOND = 1_000_000_000

_DURATION_UNITS = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,  # U+00B5
    "μs": 1000,  # U+03BC
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}


def parse_go_duration(text: str) -> int:
    """Return the nanoseconds of a Go duration such as `1h30m` or `-1.5s`.

    Raises Invalid in Go's words.
    """
    sign, rest = (-1 if text[:1] == "-" else 1), text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise Invalid(f"time: invalid duration {_quote(text)}")
    total = 0
    while rest:
        if rest[0] not in _DIGITS + ".":
            raise Invalid(f"time: invalid duration {_quote(text)}")
        whole, rest = _split_run(rest, _DIGITS)
        fraction = ""
        if rest[:1] == ".":
            fraction, rest = _split_run(rest[1:], _DIGITS)
        significant = whole.lstrip("0")  # Python reads no more than 4,300 digits, even of nothing
        if not whole + fraction or len(significant) > 19:
            raise Invalid(f"time: invalid duration {_quote(text)}")
        length = next((at for at, char in enumerate(rest) if char in _DIGITS + "."), len(rest))
        unit, rest = rest[:length], rest[length:]
        if not unit:
            raise Invalid(f"time: missing unit in duration {_quote(text)}")
        if unit not in _DURATION_UNITS:
            raise Invalid(f"time: unknown unit {_quote(unit)} in duration {_quote(text)}")
        size = _DURATION_UNITS[unit]
        fraction = fraction[:18]  # further digits are less than a nanosecond
        total += int(significant or "0") * size + int(fraction or "0") * size // 10 ** len(fraction)
        if total > 2**63 - (sign > 0):
            raise Invalid(f"time: invalid duration {_quote(text)}")
    return sign * total


def until_time(value: str, now: int) -> int:
    """Return the moment, in nanoseconds since the epoch, that a filter such as `until` names.

    `value` is a Go duration before `now` (nanoseconds since the epoch; the
    answer is then a whole second), seconds since the epoch with or without a
    fraction, or a date with or without a time and a zone. Without a zone it is
    in the local one, as of `now`. Raises Invalid in docker's words.
    """
    if value != "0":
        try:
            return (now - parse_go_duration(value)) // SECOND * SECOND
        except Invalid:
            pass  # not a duration, then
    zoned = any(char in value for char in "zZ+") or value.count("-") == 3
    try:
        moment, offset = _DateReader(value, _layout(value, zoned)).read()
    except Invalid:
        if "-" in value:
            raise
        return _parse_seconds(value)
    if not zoned:
        offset = time.localtime(now // SECOND).tm_gmtoff
    return moment - offset * SECOND


_DIGITS = "0123456789"
_DATE = "2006-01-02"
_ZONE = "Z07:00"


def _split_run(text: str, valid: str) -> tuple[str, str]:
    rest = text.lstrip(valid)
    return text[: len(text) - len(rest)], rest


def _quote(text: str) -> str:
    """Quote as Go's package time does: what is not plain ASCII as hexadecimal bytes."""
    quoted = ""
    for byte in text.encode("utf-8", "surrogateescape"):
        char = chr(byte)
        quoted += f"\\{char}" if char in '"\\' else char if " " <= char < "\x7f" else f"\\x{byte:02x}"
    return f'"{quoted}"'


def _layout(value: str, zoned: bool) -> str:
    """Return the Go layout that docker reads the value with: by its dot, its T and its colons."""
    layout = _DATE
    if "." in value:
        layout += "T15:04:05.999999999"
    elif "T" in value:
        colons = value.count(":")
        if zoned and colons and not any(char in value for char in "zZ"):
            colons -= 1  # that of the zone's offset
        layout += ("T15", "T15:04", "T15:04:05")[min(colons, 2)]
    return layout + (_ZONE if zoned else "")


_RANGES = {
    "2006": ("year", 0, 9999),
    "01": ("month", 1, 12),
    "02": ("day", 0, 99),  # checked against the month at the end
    "15": ("hour", 0, 23),
    "04": ("minute", 0, 59),
    "05": ("second", 0, 59),
}


class _DateReader:
    """Reads a date by a Go layout, and fails in the words of Go's time.Parse."""

    def __init__(self, value: str, layout: str) -> None:
        self.value = value
        self.layout = layout
        self.rest = value
        self.numbers = {"01": 1, "15": 0, "04": 0, "05": 0}
        self.nanoseconds = 0
        self.offset = 0

    def read(self) -> tuple[int, int]:
        """Return nanoseconds since the epoch, as if in UTC, and the zone's offset in seconds."""
        for element in _elements(self.layout):
            if element in _RANGES:
                self._number(element)
            elif element == _ZONE:
                self._zone()
            elif self.rest.startswith(element):
                self.rest = self.rest[len(element) :]
            else:
                raise self._mismatch(element)
        if self.rest:
            raise self._fault(f"extra text: {_quote(self.rest)}")
        year, month, day, hour, minute, second = [self.numbers[element] for element in _RANGES]
        month_days = _days(year + month // 12, month % 12 + 1, 1) - _days(year, month, 1)
        if not 1 <= day <= month_days:
            raise self._fault("day out of range")
        seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
        return seconds * SECOND + self.nanoseconds, self.offset

    def _number(self, element: str) -> None:
        digits = self.rest[: len(element)]
        if len(digits) < len(element) or digits.strip(_DIGITS):
            raise self._mismatch(element)
        self.rest = self.rest[len(element) :]
        name, low, high = _RANGES[element]
        self.numbers[element] = int(digits)
        if not low <= int(digits) <= high:
            raise self._fault(f"{name} out of range")
        if element == "05" and self.rest[:1] in (".", ",") and self.rest[1:2] in (*_DIGITS,):
            fraction, self.rest = _split_run(self.rest[1:], _DIGITS)
            self.nanoseconds = int(fraction[:9].ljust(9, "0"))

    def _zone(self) -> None:
        rest = self.rest
        if rest[:1] == "Z":
            self.rest = rest[1:]
            return
        sign, hours, colon, minutes = rest[:1], rest[1:3], rest[3:4], rest[4:6]
        if len(minutes) < 2 or sign not in ("+", "-") or colon != ":" or (hours + minutes).strip(_DIGITS):
            raise self._mismatch(_ZONE)
        self.offset = (int(hours) * 60 + int(minutes)) * 60 * (-1 if sign == "-" else 1)
        self.rest = rest[6:]

    def _mismatch(self, element: str) -> Invalid:
        value, layout, rest = _quote(self.value), _quote(self.layout), _quote(self.rest)
        return Invalid(f"parsing time {value} as {layout}: cannot parse {rest} as {_quote(element)}")

    def _fault(self, reason: str) -> Invalid:
        return Invalid(f"parsing time {_quote(self.value)}: {reason}")


def _elements(layout: str) -> list[str]:
    """Return the parts of a layout; its fraction of a second goes with the second."""
    zone = [_ZONE] if layout.endswith(_ZONE) else []
    plain = layout.removesuffix(_ZONE).removesuffix(".999999999")
    for mark in "-T:":
        plain = plain.replace(mark, f" {mark} ")
    return plain.split() + zone


def _days(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a date of the Gregorian calendar."""
    year -= month <= 2  # years that begin in March have the leap day at their end
    months = (month - 3) % 12
    return year * 365 + year // 4 - year // 100 + year // 400 + (153 * months + 2) // 5 + day - 719469


def _parse_seconds(value: str) -> int:
    """Return the nanoseconds of `1136073600.000000001`."""
    seconds, dot, fraction = value.partition(".")
    if not _is_integer(seconds) or (dot and not _is_integer(fraction)):
        raise Invalid(f"failed to parse value as time or duration: {_quote(value)}")
    nanoseconds = int(int(fraction) * 10.0 ** (9 - len(fraction))) if dot else 0
    return int(seconds) * SECOND + nanoseconds


def _is_integer(text: str) -> bool:
    """Return whether Go reads the text as an integer of 64 bits."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    return digits != "" and not digits.strip(_DIGITS) and len(digits) < 20 and -1 << 63 <= int(text) < 1 << 63
