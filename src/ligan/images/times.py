"""Times as Docker's filters write them."""

from __future__ import annotations

import time

from ligan.errors import Invalid
from ligan.oci.durations import DIGITS, parse_go_duration, quote_bytes, split_run

SECOND = 1_000_000_000


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


_DATE = "2006-01-02"
_ZONE = "Z07:00"


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
            raise self._fault(f"extra text: {quote_bytes(self.rest)}")
        year, month, day, hour, minute, second = [self.numbers[element] for element in _RANGES]
        month_days = _days(year + month // 12, month % 12 + 1, 1) - _days(year, month, 1)
        if not 1 <= day <= month_days:
            raise self._fault("day out of range")
        seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
        return seconds * SECOND + self.nanoseconds, self.offset

    def _number(self, element: str) -> None:
        digits = self.rest[: len(element)]
        if len(digits) < len(element) or digits.strip(DIGITS):
            raise self._mismatch(element)
        self.rest = self.rest[len(element) :]
        name, low, high = _RANGES[element]
        self.numbers[element] = int(digits)
        if not low <= int(digits) <= high:
            raise self._fault(f"{name} out of range")
        if element == "05" and self.rest[:1] in (".", ",") and self.rest[1:2] in (*DIGITS,):
            fraction, self.rest = split_run(self.rest[1:], DIGITS)
            self.nanoseconds = int(fraction[:9].ljust(9, "0"))

    def _zone(self) -> None:
        rest = self.rest
        if rest[:1] == "Z":
            self.rest = rest[1:]
            return
        sign, hours, colon, minutes = rest[:1], rest[1:3], rest[3:4], rest[4:6]
        if len(minutes) < 2 or sign not in ("+", "-") or colon != ":" or (hours + minutes).strip(DIGITS):
            raise self._mismatch(_ZONE)
        self.offset = (int(hours) * 60 + int(minutes)) * 60 * (-1 if sign == "-" else 1)
        self.rest = rest[6:]

    def _mismatch(self, element: str) -> Invalid:
        value, layout, rest = quote_bytes(self.value), quote_bytes(self.layout), quote_bytes(self.rest)
        return Invalid(f"parsing time {value} as {layout}: cannot parse {rest} as {quote_bytes(element)}")

    def _fault(self, reason: str) -> Invalid:
        return Invalid(f"parsing time {quote_bytes(self.value)}: {reason}")


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
        raise Invalid(f"failed to parse value as time or duration: {quote_bytes(value)}")
    nanoseconds = int(int(fraction) * 10.0 ** (9 - len(fraction))) if dot else 0
    return int(seconds) * SECOND + nanoseconds


def _is_integer(text: str) -> bool:
    """Return whether Go reads the text as an integer of 64 bits."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    return digits != "" and not digits.strip(DIGITS) and len(digits) < 20 and -1 << 63 <= int(text) < 1 << 63
