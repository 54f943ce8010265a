"""Patterns as Go's path.Match takes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ligan.images.pattern import BadPattern, Pattern


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("", ""),
        ("*", ""),
        ("*", "alpine"),
        ("alp*", "alpine:3.10"),
        ("*/*", "team/app"),
        ("*/*/*", "example.com/team/app:1"),
        ("a*e:*", "alpine:3.10"),
        ("a*a*a", "aaa"),
        ("*.1?", "alpine:3.10"),
        ("[a-c]lpine", "alpine"),
        ("[^b-z]lpine", "alpine"),
        ("[b\\-a]x", "-x"),
        ("[\\]a]", "]"),
        ("a[/]b", "a/b"),
        ("\\*", "*"),
        ("*ü?", "xüß"),
    ],
)
def test_it_matches(pattern: str, name: str) -> None:
    assert Pattern(pattern).matches(name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("", "a"),
        ("*", "team/app"),
        ("a*", "team/app"),
        ("*app", "team/app"),
        ("?", "/"),
        ("?", ""),
        ("a*b", "abc"),
        ("[^a]", "a"),
        ("[z-a]", "m"),
        ("[^a]", ""),
        ("\\*", "a"),
        ("alpine", "alpine:3.10"),
    ],
)
def test_it_does_not_match(pattern: str, name: str) -> None:
    assert not Pattern(pattern).matches(name)


@pytest.mark.parametrize(
    "pattern", ["[", "[]", "[]a]", "[a", "[a-]", "[-a]", "[^]", "\\", "a[", "*[", "[a\\"]
)
def test_a_fault_is_found_with_the_first_name(pattern: str) -> None:
    faulty = Pattern(pattern)
    with pytest.raises(BadPattern, match="syntax error in pattern"):
        faulty.matches("nothing like it")


def test_many_stars_cost_no_more_than_many_letters() -> None:
    assert not Pattern("*a" * 10_000 + "*b").matches("a" * 255)


@given(
    pattern=st.lists(st.sampled_from(["*", "?", "a", "b", "[ab]", "[^a]"]), max_size=8),
    name=st.text("abc", max_size=8),
)
def test_it_finds_a_match_wherever_there_is_one(pattern: list[str], name: str) -> None:
    assert Pattern("".join(pattern)).matches(name) == somehow(pattern, name)


def somehow(pattern: list[str], name: str) -> bool:
    """Return whether the pattern matches, by trying out everything that a star can take."""
    if not pattern:
        return not name
    first, *rest = pattern
    if first == "*":
        return any(somehow(rest, name[taken:]) for taken in range(len(name) + 1))
    allowed = {"?": "abc", "[ab]": "ab", "[^a]": "bc"}.get(first, first)
    return bool(name) and name[0] in allowed and somehow(rest, name[1:])
