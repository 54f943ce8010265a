"""Patterns of .dockerignore against Docker's own way: a slow regular expression for each pattern and path."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ligan.dockerfile.ignore import Ignore

_PARTS = st.text(alphabet="ab*?", min_size=1, max_size=4)
_PATTERNS = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_LINES = st.lists(st.tuples(st.booleans(), _PATTERNS), min_size=1, max_size=4)
_PATHS = st.lists(st.text(alphabet="ab", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)


def one(pattern: str, path: str) -> bool:
    """Return whether a pattern matches a path itself, as moby/patternmatcher has it."""
    if pattern.startswith("**") and not set(pattern[2:]) & set("*?"):
        ending = pattern[2:]
        return path.endswith(ending) or (ending.startswith("/") and path == ending[1:])
    text, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            at += 2
            at += pattern.startswith("/", at)
            text += ".*" if at == len(pattern) else "(.*/)?"
            continue
        char = pattern[at]
        text += {"*": "[^/]*", "?": "[^/]"}.get(char, char)
        at += 1
    return re.fullmatch(text, path) is not None


def is_left_out(lines: list[tuple[bool, str]], path: str) -> bool:
    """Walk down to a path, as moby/patternmatcher has it: what matched a folder matches all that is in it."""
    matched, is_out = [False] * len(lines), False
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        is_out = False
        for number, (is_exception, pattern) in enumerate(lines):
            if not matched[number] and is_exception == is_out:
                matched[number] = one(pattern, "/".join(parts[:count]))
            if matched[number]:
                is_out = not is_exception
    return is_out


@given(_LINES, _PATHS)
def test_matching_agrees_with_the_slow_way(lines: list[tuple[bool, str]], path: str) -> None:
    text = "\n".join([("!" if is_exception else "") + pattern for is_exception, pattern in lines])
    assert Ignore(text).matches(path) is is_left_out(lines, path)


@given(_LINES, _PATHS, _PATHS)
def test_a_folder_without_exceptions_can_be_skipped(
    lines: list[tuple[bool, str]], folder: str, rest: str
) -> None:
    ignore = Ignore("\n".join([("!" if is_exception else "") + pattern for is_exception, pattern in lines]))
    if ignore.matches(folder) and not ignore.may_hold_exceptions(folder):
        assert ignore.matches(f"{folder}/{rest}")
