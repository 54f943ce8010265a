from __future__ import annotations

import pytest

from ligan.errors import Corrupt
from ligan.layers.tar_fields import decimal, nanoseconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0),
        (b"-0012", -12),
        (b"+7", 7),
        (b"0" * 5000 + b"1", 1),
        (b"9223372036854775807", (1 << 63) - 1),
        (b"-9223372036854775808", -(1 << 63)),
    ],
)
def test_decimals_have_64_bits_and_any_number_of_zeros(text: bytes, value: int) -> None:
    assert decimal(text) == value


@pytest.mark.parametrize(
    "text", [b"", b"-", b"1_0", b" 1", b"9223372036854775808", b"-9223372036854775809", b"9" * 5000]
)
def test_other_numbers_are_refused(text: bytes) -> None:
    with pytest.raises(Corrupt, match=r"^archive/tar: invalid tar header$"):
        decimal(text)


def test_a_fraction_goes_the_way_of_its_seconds() -> None:
    assert nanoseconds(b"1.5") == 1_500_000_000
    assert nanoseconds(b"-1.5") == -1_500_000_000
    assert nanoseconds(b"-0.000000001") == -1
