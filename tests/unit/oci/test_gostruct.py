"""Values as Go's structs take them."""

from __future__ import annotations

import pytest

from ligan.errors import Invalid
from ligan.oci.gostruct import integer


@pytest.mark.parametrize("value", [(1 << 63) - 1, -(1 << 63), 0])
def test_numbers_of_64_bits_are_taken(value: int) -> None:
    assert integer(value, "n") == value


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1, True, 1.0, "1"])
def test_what_is_no_number_of_64_bits_is_refused(value: object) -> None:
    with pytest.raises(Invalid, match="n cannot be"):
        integer(value, "n")
