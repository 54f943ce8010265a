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
    zone = rest[len(digits) :] if dot else ""
    if not _has_shape(whole, zone if dot else ""):
        raise _bad_time(text)
    from datetime import datetime  # most commands read times that were parsed before

    try:
        moment = datetime.fromisoformat(whole + zone)
    except ValueError:
        raise _bad_time(text) from None
    offset = moment.utcoffset()
    if offset is None or (dot and not digits):
        raise _bad_time(text)
    # Not timestamp(): a float loses nanoseconds.
    seconds = (moment.toordinal() - _EPOCH_DAY) * 86400
    seconds += moment.hour * 3600 + moment.minute * 60 + moment.second
    return seconds - int(offset.total_seconds()), int((digits + "0" * 9)[:9])


def _has_shape(whole: str, zone: str) -> bool:
    """Return whether the parts read `2006-01-02T15:04:05` and `Z` or `+07:00`.

    fromisoformat takes far more: weeks, no separators, a space for the T.
    """
    if not zone:
        whole, zone = whole[:19], whole[19:]
    shape = "".join(["0" if char in "0123456789" else char for char in whole + zone])
    return shape in ("0000-00-00T00:00:00Z", "0000-00-00T00:00:00+00:00", "0000-00-00T00:00:00-00:00")


_EPOCH_DAY = 719163
"""1970-01-01 as Python counts days."""


def _bad_time(text: str) -> Invalid:
    return Invalid(f'invalid image JSON: created "{text[:64]}" is not a time of RFC 3339')


def rfc3339nano(seconds: int, nanoseconds: int = 0) -> str:
    """Return a time in UTC as `2006-01-02T15:04:05.999999999Z`, without zeros at the fraction's end."""
    utc = time.gmtime(seconds)
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    return f"{utc.tm_year:04d}-{time.strftime('%m-%dT%H:%M:%S', utc)}{fraction}Z"
