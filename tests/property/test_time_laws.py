"""Times of documents mean what the standard library takes them for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ligan.errors import Invalid
from ligan.oci.times import parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
NUMBERS = st.tuples(
    st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32), *[st.integers(0, 61) for _ in range(3)]
)


@given(st.datetimes(timezones=ZONES))
def test_a_time_is_the_moment_that_it_names(moment: datetime) -> None:
    passed = moment - EPOCH
    assert parse_time(moment.isoformat(timespec="microseconds")) == (
        passed.days * 86400 + passed.seconds,
        passed.microseconds * 1000,
    )


@given(NUMBERS)
@example((2023, 2, 29, 0, 0, 0))
@example((2024, 2, 29, 23, 59, 59))
@example((1900, 2, 29, 0, 0, 0))
@example((2000, 2, 29, 0, 0, 0))
@example((2022, 12, 31, 0, 0, 60))
def test_what_is_in_no_calendar_is_refused(numbers: tuple[int, ...]) -> None:
    text = "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}Z".format(*numbers)
    try:
        passed = datetime(*numbers, tzinfo=UTC) - EPOCH  # type: ignore[misc,arg-type]  # six numbers
    except ValueError:
        with pytest.raises(Invalid):
            parse_time(text)
    else:
        assert parse_time(text) == (passed.days * 86400 + passed.seconds, 0)
