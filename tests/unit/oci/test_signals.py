from __future__ import annotations

import pytest

from ligan.errors import Invalid
from ligan.oci.signals import is_supported, parse_signal


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


@pytest.mark.parametrize(
    ("number", "supported"),
    [(1, True), (31, True), (32, False), (34, True), (64, True), (65, False), (-1, False)],
)
def test_signals_without_a_name_are_not_sent(number: int, supported: bool) -> None:
    assert is_supported(number) == supported
