"""Times of RFC 3339."""

from __future__ import annotations

import pytest

from ligan.errors import Invalid
from ligan.oci.times import GO_ZERO_SECONDS, parse_time, rfc3339nano


def test_rfc3339_is_in_utc_and_ends_its_fraction_without_zeros() -> None:
    assert rfc3339nano(1673404496) == "2023-01-11T02:34:56Z"
    assert rfc3339nano(1673404496, 500) == "2023-01-11T02:34:56.0000005Z"
    assert rfc3339nano(1673404496, 100_000_000) == "2023-01-11T02:34:56.1Z"
    assert rfc3339nano(-62135596800) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", (GO_ZERO_SECONDS, 0)),
        ("0001-01-01T00:00:00Z", (GO_ZERO_SECONDS, 0)),
        ("2023-01-11T02:34:56Z", (1673404496, 0)),
        ("2023-01-11T02:34:56.000000001Z", (1673404496, 1)),
        ("2023-01-11T02:34:56.5000000009Z", (1673404496, 500_000_000)),
        ("2023-01-11T04:34:56.1+02:00", (1673404496, 100_000_000)),
        ("2023-01-10T22:04:56-04:30", (1673404496, 0)),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, moment: tuple[int, int]) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2023-01-11",
        "2023-01-11T02:34:56",
        "2023-01-11 02:34:56Z",
        "20230111T023456Z",
        "2023-W02-3T02:34:56Z",
        "2023-01-11T02:34Z",
        "2023-01-11T02:34:56+0200",
        "2023-01-11T02:34:56.Z",
        "2023-13-11T02:34:56Z",
        "2023-01-11T02:34:56,5Z",
        "\u0662023-01-11T02:34:56Z",
    ],
)
def test_what_go_would_not_read_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is not a time of RFC 3339"):
        parse_time(text)
