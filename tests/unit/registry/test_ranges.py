"""Ranges of blobs and of chunks, as clients write them."""

from __future__ import annotations

import pytest

from ligan.registry.faults import UploadInvalid
from ligan.registry.receiving import read_content_range
from ligan.registry.sending import read_range


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", (0, 10)),
        ("bytes=0-0", (0, 1)),
        ("bytes=2-", (2, 8)),
        ("bytes=-3", (7, 3)),
        ("bytes=-30", (0, 10)),
        ("bytes=8-100", (8, 2)),
        ("bytes=10-", None),
        ("bytes=-0", None),
        ("bytes=3-2", (0, 10)),
        ("bytes=0-1,3-4", (0, 10)),
        ("bytes=x-1", (0, 10)),
        ("bytes=-", (0, 10)),
        ("lines=1-2", (0, 10)),
        ("bytes=0-99999999999999999999", (0, 10)),
    ],
)
def test_range(header: str, found: tuple[int, int] | None) -> None:
    assert read_range(header, 10) == found


def test_range_of_nothing() -> None:
    assert read_range("", 0) == (0, 0)
    assert read_range("bytes=0-", 0) is None


def test_content_range() -> None:
    assert read_content_range("") is None
    assert read_content_range("0-9") == (0, 9)
    assert read_content_range("bytes 5-9/*") == (5, 9)
    for header in ("9-5", "a-b", "5", "-5", "0-", "٣-٤", "0-1-2"):
        with pytest.raises(UploadInvalid):
            read_content_range(header)
