"""Times of RFC 3339."""

from __future__ import annotations

from ligan.oci.times import rfc3339nano


def test_rfc3339_is_in_utc_and_ends_its_fraction_without_zeros() -> None:
    assert rfc3339nano(1673404496) == "2023-01-11T02:34:56Z"
    assert rfc3339nano(1673404496, 500) == "2023-01-11T02:34:56.0000005Z"
    assert rfc3339nano(1673404496, 100_000_000) == "2023-01-11T02:34:56.1Z"
    assert rfc3339nano(-62135596800) == "0001-01-01T00:00:00Z"
