from __future__ import annotations

import pytest

from ligan.oci.signals import parse_signal
from ligan.errors import Invalid


@pytest.mark.parametrize(
    ("text", "number"),
    [("KILL", 9), ("SIGKILL", 9), ("sigterm", 15), ("9", 9), ("99", 99), ("RTMIN", 34), ("SIGRTMIN+3", 37),
     ("rtmax-2", 62), ("RTMAX", 64), ("CLD", 17), ("iot", 6), ("STKFLT", 16), ("POLL", 29)],
)  # fmt: skip
def test_signal_is_read(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize(
    "text", ["", "0", "BOGUS", "SIG", "RTMIN+16", "RTMAX-15", "9" * 5000, "_BLOCK", "BLOCK"]
)
def test_signal_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as raised:
        parse_signal(text)
    assert raised.value.message == f"Invalid signal: {text}"
