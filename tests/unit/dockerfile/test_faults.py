"""How the lines at fault are shown, and how Go quotes."""

from __future__ import annotations

import pytest

from ligan.dockerfile.faults import excerpt, quoted

RULE = "-" * 20
SOURCE = "".join([f"line {number}\n" for number in range(1, 13)])


def lines(line: int, end: int, source: str = SOURCE) -> list[str]:
    return excerpt(source, "x/Dockerfile", line, end).split("\n")


def test_a_line_is_shown_with_those_around_it() -> None:
    assert lines(10, 10) == [
        "x/Dockerfile:10",
        RULE,
        "   8 |     line 8",
        "   9 |     line 9",
        "  10 | >>> line 10",
        "  11 |     line 11",
        "  12 |     line 12",
        RULE,
        "",
    ]


def test_several_lines_have_one_around_them() -> None:
    assert lines(3, 5)[2:-2] == [
        "   2 |     line 2",
        "   3 | >>> line 3",
        "   4 | >>> line 4",
        "   5 | >>> line 5",
        "   6 |     line 6",
    ]


def test_at_an_edge_there_are_fewer() -> None:
    assert lines(1, 1, "a\nb") == ["x/Dockerfile:1", RULE, "   1 | >>> a", "   2 |     b", RULE, ""]
    assert lines(1, 9, "a") == ["x/Dockerfile:1", RULE, "   1 | >>> a", RULE, ""]


@pytest.mark.parametrize("line", [0, 14, -1])
def test_a_line_that_is_not_there_is_not_shown(line: int) -> None:
    assert excerpt(SOURCE, "x", line, line) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a é", '"a é"'),
        ('"\\', '"\\"\\\\"'),
        ("\a\b\f\n\r\t\v", '"\\a\\b\\f\\n\\r\\t\\v"'),
        ("\0\x7f\x85\u2028\U000e0001", '"\\x00\\x7f\\u0085\\u2028\\U000e0001"'),
    ],
)
def test_quotes(text: str, expected: str) -> None:
    assert quoted(text) == expected
