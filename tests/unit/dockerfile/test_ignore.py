"""Patterns of .dockerignore, as Docker's matcher has them."""

from __future__ import annotations

import pytest

from ligan.dockerfile.ignore import Ignore
from ligan.errors import Invalid


@pytest.mark.parametrize(
    ("text", "left_out", "left_in"),
    [
        ("a", ["a", "a/b", "a/b/c"], ["b", "b/a", "ab"]),
        ("/a/", ["a", "a/b"], ["b/a"]),
        ("./a//b/../c", ["a/c"], ["a/b"]),
        ("../a", [], ["a"]),
        (".", [], ["a", "a/b"]),
        ("/", [], ["a"]),
        ("*", ["a", "a/b", ".c"], []),
        ("*.md", ["a.md", "a.md/b"], ["a/b.md", "a.mdx"]),
        ("*/a", ["x/a", "x/a/b"], ["a", "x/y/a"]),
        ("a?c", ["abc"], ["ac", "a/c", "abbc"]),
        ("**", ["a", "a/b"], []),
        ("**/a", ["a", "x/a", "x/y/a", "x/a/b"], ["xa", "x/ab"]),
        ("**a", ["a", "xa", "x/ya"], ["ab"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab"]),
        ("a**", ["a", "ab", "a/b"], ["b"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b", "a/b/c"], ["b", "a/xb", "a"]),
        ("a**b", ["ab", "a/b", "ax/b"], ["axb"]),
        ("**/a*b*c/**/d", ["abc/d", "x/a1b2c/y/d", "aXbc/d"], ["ab/d", "abc"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "-x"]),
        ("[^a-c]x", ["dx"], ["ax", "x"]),
        ("\\*", ["*"], ["a"]),
        ("a\\[b", ["a[b"], ["ab"]),
        ("a.b+(c)|{d}^$", ["a.b+(c)|{d}^$"], ["aXb"]),
        ("# a\n #b\n\n  c  \r\n", ["#b", "c"], ["a", "# a"]),
        ("\ufeffa", ["a"], []),
        ("*\n!a", ["b"], ["a", "a/b"]),
        ("a\n!a/b\na/b/c", ["a", "a/x", "a/b/c"], ["a/b", "a/b/d"]),
        ("! a\na", ["a"], ["b"]),
        ("*\n!**/*.md\nx/*.md", ["a", "x/b.md"], ["b.md", "a/b.md"]),
        ("**/a\n!b", ["a", "b/a", "b/a/c"], ["b", "b/c"]),
        ("*.log\nb/*\n!b", ["a.log", "b/c", "b/c/d"], ["b"]),
        ("b\n!b/c\n**/d\n!b/c", ["b", "b/c/d"], ["b/c", "b/c/e"]),
    ],
)
def test_what_is_left_out(text: str, left_out: list[str], left_in: list[str]) -> None:
    ignore = Ignore(text)
    paths = left_out + left_in
    assert [path for path in paths if ignore.matches(path)] == left_out


@pytest.mark.parametrize("pattern", ["[", "[a", "[]a]", "[a-]", "[b-a]", "a\\", "!", "! ", "!/", "! /a/.."])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(Invalid) as caught:
        Ignore(pattern)
    illegal = 'illegal exclusion pattern: "!"'
    assert caught.value.message == (illegal if "!" in pattern else "syntax error in pattern")


def test_a_line_has_a_longest_length() -> None:
    with pytest.raises(Invalid, match=r"^bufio\.Scanner: token too long$"):
        Ignore("a" * 65536)


@pytest.mark.parametrize(
    ("text", "folder", "may_hold"),
    [
        ("a", "a", False),
        ("a\n!a/b/c", "a", True),
        ("a\n!a/b/c", "a/b", True),
        ("a\n!a/b/c", "a/b/c/d", True),
        ("a\n!a/b/c", "a/x", False),
        ("a\n!a/b/c", "b", False),
        ("*\n!**/a", "x/y", True),
        ("*\n!x/*.c", "y", False),
        ("*\n!x/*.c", "x", True),
    ],
)
def test_which_folders_may_hold_exceptions(text: str, folder: str, may_hold: bool) -> None:
    assert Ignore(text).may_hold_exceptions(folder) is may_hold


@pytest.mark.timeout(20)
def test_many_paths_and_patterns_are_quick() -> None:
    names = "\n".join([f"dir{number}/x" for number in range(1000)])
    ignore = Ignore(f"{names}\n**/*.pyc\n**/node_modules\n!dir1/x/keep\n*~\n")
    found = sum(ignore.matches(f"src/package{number}/module/file.py") for number in range(100_000))
    assert found == 0


@pytest.mark.timeout(20)
@pytest.mark.parametrize("pattern", ["a*" * 100 + "b", "**/a/" * 50 + "b", "**/*a*a*a/" * 20 + "b"])
def test_patterns_of_many_stars_are_quick(pattern: str) -> None:
    assert not Ignore(pattern).matches("a/" * 1000 + "a" * 255)
