"""Sizes, durations and times in docker's words."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from ligan.cli.units import (
    SECOND,
    format_created_at,
    human_duration,
    human_size,
    parse_go_duration,
    parse_timestamp,
    rfc3339nano,
)
from ligan.errors import Invalid

NOW = 1795204591 * SECOND + 46898887


@pytest.fixture
def in_zone() -> Iterator[None]:
    """The local zone is two hours east of UTC."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "XYZ-2"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize(
    ("size", "digits", "text"),
    [
        (0, 3, "0B"),
        (1, 3, "1B"),
        (999, 3, "999B"),
        (1000, 3, "1kB"),
        (1985993, 3, "1.99MB"),
        (1985993, 4, "1.986MB"),
        (888800, 3, "889kB"),
        (888800, 4, "888.8kB"),
        (999_499, 3, "999kB"),
        (999_500, 3, "1e+03kB"),
        (999_950, 4, "1000kB"),
        (999_999, 4, "1000kB"),
        (10_820_000, 4, "10.82MB"),
        (1_500_000_000, 3, "1.5GB"),
        (10**24, 3, "1YB"),
        (10**28, 3, "1e+04YB"),
        (-1, 3, "-1B"),
    ],
)
def test_sizes(size: int, digits: int, text: str) -> None:
    assert human_size(size, digits) == text


HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "Less than a second"),
        (0, "Less than a second"),
        (0.999, "Less than a second"),
        (1, "1 second"),
        (1.9, "1 second"),
        (2, "2 seconds"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (59 * 60 + 59, "59 minutes"),
        (HOUR, "About an hour"),
        (1.49 * HOUR, "About an hour"),
        (1.5 * HOUR, "2 hours"),
        (47.4 * HOUR, "47 hours"),
        (47.5 * HOUR, "2 days"),
        (2 * DAY, "2 days"),
        (14 * DAY - HOUR, "13 days"),
        (14 * DAY, "2 weeks"),
        (60 * DAY - HOUR, "8 weeks"),
        (60 * DAY, "2 months"),
        (730 * DAY - HOUR, "24 months"),
        (730 * DAY, "2 years"),
        (1e12, "292 years"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1h30m", 5400 * SECOND),
        ("-1.5s", -1_500_000_000),
        ("+2ms", 2_000_000),
        (".5s", 500_000_000),
        ("1.s", SECOND),
        ("1us2µs3μs", 6000),
        ("1h1m1s1ms1us1ns", 3661 * SECOND + 1_001_001),
        ("9223372036854775807ns", 2**63 - 1),
        ("-9223372036854775808ns", -(2**63)),
    ],
)
def test_go_durations(text: str, nanoseconds: int) -> None:
    assert parse_go_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        (".", 'time: invalid duration "."'),
        ("x", 'time: invalid duration "x"'),
        ("10", 'time: missing unit in duration "10"'),
        ("1.5.5h", 'time: missing unit in duration "1.5.5h"'),
        ("1y", 'time: unknown unit "y" in duration "1y"'),
        ("1h é", 'time: unknown unit "h \\xc3\\xa9" in duration "1h \\xc3\\xa9"'),
        ("9223372036854775808ns", 'time: invalid duration "9223372036854775808ns"'),
    ],
)
def test_what_is_no_go_duration(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_go_duration(text)
    assert str(caught.value) == message


@pytest.mark.usefixtures("in_zone")
@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("1h", (1795204591 - 3600) * SECOND),
        ("-1h", (1795204591 + 3600) * SECOND),
        ("0", 0),
        ("1136073600", 1136073600 * SECOND),
        ("1136073600.000000001", 1136073600 * SECOND + 1),
        ("1136073600.5", 1136073600 * SECOND + 500_000_000),
        ("2020-01-01", (1577836800 - 7200) * SECOND),
        ("2020-01-01T10", (1577836800 + 8 * 3600) * SECOND),
        ("2020-01-01T10:30", (1577836800 + 8 * 3600 + 1800) * SECOND),
        ("2020-01-01T10:30:15", (1577836800 + 8 * 3600 + 1815) * SECOND),
        ("2020-01-01T10:30:15.25", (1577836800 + 8 * 3600 + 1815) * SECOND + 250_000_000),
        ("2020-01-01Z", 1577836800 * SECOND),
        ("2020-01-01T10Z", (1577836800 + 36000) * SECOND),
        ("2020-01-01T10:11+01:00", (1577836800 + 9 * 3600 + 660) * SECOND),
        ("2020-01-01T00:00:00-07:00", (1577836800 + 7 * 3600) * SECOND),
        ("2020-01-01T00:00:00.000000001Z", 1577836800 * SECOND + 1),
        ("2020-02-29", (1582934400 - 7200) * SECOND),
    ],
)
def test_timestamps_of_filters(value: str, moment: int) -> None:
    assert parse_timestamp(value, NOW) == moment


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("zz", 'failed to parse value as time or duration: "zz"'),
        ("", 'failed to parse value as time or duration: ""'),
        ("1_0", 'failed to parse value as time or duration: "1_0"'),
        ("1e5", 'failed to parse value as time or duration: "1e5"'),
        ("2020-13-01", 'parsing time "2020-13-01": month out of range'),
        ("2021-02-29", 'parsing time "2021-02-29": day out of range'),
        ("2020-01-01T25", 'parsing time "2020-01-01T25": hour out of range'),
        ("2020-1-1", 'parsing time "2020-1-1" as "2006-01-02": cannot parse "1-1" as "01"'),
        ("2020-01-01x", 'parsing time "2020-01-01x": extra text: "x"'),
        (
            "2020-01-01T10:11:12-0700",
            'parsing time "2020-01-01T10:11:12-0700" as "2006-01-02T15:04Z07:00": '
            'cannot parse ":12-0700" as "Z07:00"',
        ),
    ],
)
def test_what_is_no_timestamp(value: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_timestamp(value, NOW)
    assert str(caught.value) == message


@pytest.mark.usefixtures("in_zone")
def test_the_date_of_creation_is_in_the_local_zone() -> None:
    assert format_created_at(1673404496) == "2023-01-11 04:34:56 +0200 XYZ"
    assert format_created_at(-62135596800) == "0001-01-01 02:00:00 +0200 XYZ"


def test_rfc3339_is_in_utc_and_ends_its_fraction_without_zeros() -> None:
    assert rfc3339nano(1673404496) == "2023-01-11T02:34:56Z"
    assert rfc3339nano(1673404496, 500) == "2023-01-11T02:34:56.0000005Z"
    assert rfc3339nano(1673404496, 100_000_000) == "2023-01-11T02:34:56.1Z"
    assert rfc3339nano(-62135596800) == "0001-01-01T00:00:00Z"
