"""Times in documents: RFC 3339, to the nanosecond."""

from __future__ import annotations

import time

from ligan.errors import Invalid

GO_ZERO_SECONDS = -62135596800
"""Go's zero time, the year 1, in seconds since 1970: what a config without a time was created at."""


def parse_time(text: str) -> tuple[int, int]:
    """Return an RFC 3339 time as seconds since 1970 and nanoseconds. Raises Invalid."""
    if not text:
        return GO_ZERO_SECONDS, 0
    whole, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if dot else ""
    zone = rest[len(digits) :] if dot else whole[19:]
    moment = whole if dot else whole[:19]
    if not _has_shape(moment, zone) or (dot and not digits):
        raise _bad_time(text)
    year, month, day = int(moment[:4]), int(moment[5:7]), int(moment[8:10])
    hour, minute, second = int(moment[11:13]), int(moment[14:16]), int(moment[17:])
    ahead = (int(zone[1:3]), int(zone[4:])) if len(zone) > 1 else (0, 0)
    if not (1 <= month <= 12 and year and 1 <= day <= _days(year, month + 1, 1) - _days(year, month, 1)):
        raise _bad_time(text)
    if max(hour, ahead[0]) > 23 or max(minute, second) > 59 or ahead[1] > 60:  # Go takes 60 minutes there
        raise _bad_time(text)
    seconds = _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    offset = ahead[0] * 3600 + ahead[1] * 60
    return seconds + (offset if zone[0] == "-" else -offset), int((digits + "0" * 9)[:9])


def _has_shape(moment: str, zone: str) -> bool:
    """Return whether the parts read `2006-01-02T15:04:05` and `Z` or `+07:00`."""
    shape = "".join(["0" if char in "0123456789" else char for char in f"{moment} {zone}"])
    return shape in (
        "0000-00-00T00:00:00 Z",
        "0000-00-00T00:00:00 +00:00",
        "0000-00-00T00:00:00 -00:00",
    )


def _days(year: int, month: int, day: int) -> int:
    """Count the days from 1970-01-01, months from 1 to 13.

    Each image that is run has a time that nobody asks for: `datetime` would take 2 ms to import for it.
    """
    if month < 3:  # a year that begins in March has its leap day at the end
        year, month = year - 1, month + 12
    leap_days = year // 4 - year // 100 + year // 400
    return 365 * year + leap_days + (153 * (month - 3) + 2) // 5 + day - _FROM_YEAR_0


_FROM_YEAR_0 = 719469


def _bad_time(text: str) -> Invalid:
    return Invalid(f'invalid image JSON: created "{text[:64]}" is not a time of RFC 3339')


def rfc3339nano(seconds: int, nanoseconds: int = 0) -> str:
    """Return a time in UTC as `2006-01-02T15:04:05.999999999Z`, without zeros at the fraction's end."""
    utc = time.gmtime(seconds)
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    return f"{utc.tm_year:04d}-{time.strftime('%m-%dT%H:%M:%S', utc)}{fraction}Z"
