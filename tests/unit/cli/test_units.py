"""Sizes, durations and times in docker's words."""

from __future__ import annotations

import pytest

from ligan.cli.units import format_created_at, human_duration, human_size


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


@pytest.mark.usefixtures("in_zone")
def test_the_date_of_creation_is_in_the_local_zone() -> None:
    assert format_created_at(1673404496) == "2023-01-11 04:34:56 +0200 XYZ"
    assert format_created_at(-62135596800) == "0001-01-01 02:00:00 +0200 XYZ"
