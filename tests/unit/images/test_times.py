"""Times of filters, in Go's words."""

from __future__ import annotations

import pytest

from ligan.errors import Invalid
from ligan.images.times import SECOND, until_time

NOW = 1795204591 * SECOND + 46898887


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
    assert until_time(value, NOW) == moment


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("zz", 'failed to parse value as time or duration: "zz"'),
        ("", 'failed to parse value as time or duration: ""'),
        ("1_0", 'failed to parse value as time or duration: "1_0"'),
        ("9223372036854775808", 'failed to parse value as time or duration: "9223372036854775808"'),
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
        until_time(value, NOW)
    assert str(caught.value) == message
