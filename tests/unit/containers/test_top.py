from __future__ import annotations

import os

import pytest

from ligan.containers.top import PsFailed, parse_ps, top
from ligan.errors import Invalid

OUTPUT = """\
UID    PID  CMD
root     1  init
root     7  sh -c  two  words
root     -  a thread of 7
me      17  other
me       -  a thread of 17
"""


def test_rows_are_those_of_the_pids_and_of_their_threads() -> None:
    assert parse_ps(OUTPUT, [7, 1]) == {
        "Processes": [
            ["root", "1", "init"],
            ["root", "7", "sh -c two words"],
            ["root", "-", "a thread of 7"],
        ],
        "Titles": ["UID", "PID", "CMD"],
    }


@pytest.mark.parametrize(
    ("output", "words"),
    [("UID CMD\nx y\n", "Couldn't find PID field in ps output"), ("PID\nx\n", "Unexpected pid 'x'")],
)
def test_what_has_no_pids_is_refused(output: str, words: str) -> None:
    with pytest.raises(PsFailed) as raised:
        parse_ps(output, [1])
    assert raised.value.message == words


def test_another_column_is_not_called_pid() -> None:
    with pytest.raises(Invalid) as raised:
        top([1], "-o args=PID")
    assert raised.value.message == 'specifying "args=PID" is not allowed'


def test_ps_is_asked_for_this_process() -> None:
    shown = top([os.getpid()], "-o pid=PID")
    assert shown["Processes"][0][0] == str(os.getpid())


def test_ps_says_what_it_does_not_know() -> None:
    with pytest.raises(PsFailed, match="error: unsupported option"):
        top([1], "zz")


def test_zero_bytes_are_no_arguments() -> None:
    with pytest.raises(Invalid, match="zero byte"):
        top([1], "-o \0")
