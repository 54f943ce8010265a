from __future__ import annotations

import pytest

from ligan.build.modes import parse_mode
from ligan.errors import Invalid


@pytest.mark.parametrize(("text", "mode"), [("644", 0o644), ("0755", 0o755), ("04711", 0o4711), ("0", 0)])
def test_octal_mode_is_the_mode(text: str, mode: int) -> None:
    assert parse_mode(text)(0o123, False) == parse_mode(text)(0o777, True) == mode


@pytest.mark.parametrize(
    "text", ["", "8", "77777", "u", "u+q", "rw", "u+r,", "-1", "0o7", "u+r g+x", "\u0667"]
)
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="invalid chmod parameter"):
        parse_mode(text)
