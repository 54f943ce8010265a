"""Durations in Go's words."""

from __future__ import annotations

import pytest

from ligan.errors import Invalid
from ligan.oci.durations import go_duration, parse_go_duration

SECOND = 1_000_000_000


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


def test_zeros_in_front_may_be_many() -> None:
    assert parse_go_duration("0" * 5000 + "1s") == 1_000_000_000


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (200_000_000, "200ms"),
        (-SECOND, "-1s"),
        (SECOND, "1s"),
        (2_500_000_000, "2.5s"),
        (90 * SECOND, "1m30s"),
        (3600 * SECOND, "1h0m0s"),
    ],
)
def test_durations_as_go_prints_them(nanoseconds: int, text: str) -> None:
    assert go_duration(nanoseconds) == text
