"""Variables and quotes in words: as 20.10 and as BuildKit has them."""

from __future__ import annotations

import pytest

from ligan.dockerfile.words import expand, expand_document, expand_words
from ligan.errors import Invalid

VARIABLES = {"A": "a b", "E": "", "F": "/usr/lib/foo.tar.gz", "N": "x*y", "L": "one\ntwo"}


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$A${A}", "a ba b"),
        ("$B-${B}-$", "--$"),
        ("$A_$AB", ""),
        ("$1a $@ $$", "a  "),
        ("\\$A \\a \\\\ '\\$A' \"\\$A \\a\"", "$A a \\ \\$A $A \\a"),
        ("'$A'\"$A\"", "$Aa b"),
        ("\"'$A'\"", "'a b'"),
        ("a\\", "a"),
        ("${A:-x}${B:-x}${E:-x}", "a bxx"),
        ("${A:+x}${B:+x}${E:+x}", "x"),
        ("${A?x}${E?x}${A:?x}", "a ba b"),
        ('${B:-${A:+"$F"}}', "/usr/lib/foo.tar.gz"),
        ("${B:-'}'}", "}"),
        ("a<<b < c", "a<<b < c"),
        ("é${B:-ü}", "éü"),
    ],
)
@pytest.mark.parametrize("classic", [True, False])
def test_expansion(word: str, text: str, classic: bool) -> None:
    assert expand(word, VARIABLES, classic=classic) == text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("${A-x}${B-x}${E-x}", "a bx"),
        ("${A+x}${B+x}${E+x}", "xx"),
        ("${F#/}", "usr/lib/foo.tar.gz"),
        ("${F#*/}", "usr/lib/foo.tar.gz"),
        ("${F##*/}", "foo.tar.gz"),
        ("${F%.*}", "/usr/lib/foo.tar"),
        ("${F%%.*}", "/usr/lib/foo"),
        ("${F%x}", "/usr/lib/foo.tar.gz"),
        ("${F%/foo*}", "/usr/lib"),
        ("${F#*l?b}", "/foo.tar.gz"),
        ("${F##*.t*}", ""),
        ("${N#x\\*}", "y"),
        ("${N%\\*y}", "x"),
        ("${N##*}", ""),
        ("${N#*}", "x*y"),
        ("${F/\\//:}", ":usr/lib/foo.tar.gz"),
        ("${F//\\//:}", ":usr:lib:foo.tar.gz"),
        ("${F//[.]/:}", "/usr/lib/foo.tar.gz"),
        ("${F//o*a/X}", "/usr/lib/fXr.gz"),
        ("${A//?/x}", "xxx"),
        ("${A//*/x}", "x"),
        ("${A///x}", "xax xbx"),
        ("${E//*/x}", "x"),
        ("${B/a/b}${B#a}${B%a}", ""),
        ("${L##*}", "\ntwo"),
        ("${L#*t}", "one\ntwo"),
        ("${F/usr/$A}", "/a b/lib/foo.tar.gz"),
    ],
)
def test_modern_expansion(word: str, text: str) -> None:
    assert expand(word, VARIABLES, classic=False) == text


def test_the_escape_can_be_a_backtick() -> None:
    assert expand('`$A\\$A "`$\\"', VARIABLES, "`") == "$A\\a b $\\"


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("", []),
        ("a", ["a"]),
        (" a  b ", ["a", "b"]),
        ("$A", ["a", "b"]),
        ('"$A"', ["a b"]),
        ("x$A", ["xa", "b"]),
        ("'a b'c\\ d", ["a bc d"]),
        ("'' \"\"", []),
        ("${B:-1 2} 3", ["1", "2", "3"]),
    ],
)
@pytest.mark.parametrize("classic", [True, False])
def test_words(word: str, words: list[str], classic: bool) -> None:
    assert expand_words(word, VARIABLES, classic=classic) == words


def test_quotes_mean_nothing_in_a_document() -> None:
    text = "it's \"$A\" '$B${A:+'x'}' \\$A \\\\ \\n <<E\n"
    assert expand_document(text, VARIABLES) == "it's \"a b\" ''x'' $A \\ n <<E\n"


_QUOTE = "unexpected end of statement while looking for matching"


@pytest.mark.parametrize(
    ("word", "classic", "modern"),
    [
        ("'a", f"{_QUOTE} single-quote", ""),
        ('"a', f"{_QUOTE} double-quote", ""),
        ('"a\\', f"{_QUOTE} double-quote", ""),
        ("${", "syntax error: missing '}'", ""),
        ("${}", "syntax error: bad substitution", ""),
        ("${:a}", "syntax error: bad substitution", ""),
        ("${A:-b", "syntax error: missing '}'", ""),
        ("${A:-'b}", "syntax error: missing '}'", ""),
        ("${A", "missing ':' in substitution", "unsupported modifier (\ufffd) in substitution"),
        ("${A!b}", "missing ':' in substitution", "unsupported modifier (!) in substitution"),
        ("${A:!b}", "unsupported modifier (!) in substitution", "unsupported modifier (:!) in substitution"),
        ("${A:#b}", "unsupported modifier (#) in substitution", "unsupported modifier (:#) in substitution"),
        ("${A/b}", "missing ':' in substitution", "syntax error: missing '/' in ${}"),
        ("${A/b/c", "missing ':' in substitution", "syntax error: missing '}'"),
        ("${A-b}", "missing ':' in substitution", "-"),
        ("${B?no $A}", "B: no a b", ""),
        ("${B?}", "B: is not allowed to be unset", ""),
        ("${E:?}", "E: is not allowed to be empty", ""),
        (
            "${A#\\a}",
            "missing ':' in substitution",
            "invalid pattern (\\a) in substitution: invalid escape '\\a'",
        ),
    ],
)
def test_faults(word: str, classic: str, modern: str) -> None:
    for is_classic, message in ((True, classic), (False, modern or classic)):
        if message == "-":
            continue
        with pytest.raises(Invalid) as caught:
            expand(word, VARIABLES, classic=is_classic)
        shown = word.replace("\\", "\\\\").replace('"', '\\"')
        assert caught.value.message == f'failed to process "{shown}": {message}'


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "word",
    [
        "${A:-" * 100_000,
        "${A:-" * 99 + "}" * 99,
        '"' + "$A" * 100_000 + '"',
        "\\" * 200_001,
        "${X#" + "*a" * 2000 + "b}",
        "${X%%" + "*a" * 2000 + "b}",
        "${X//" + "a*" * 50 + "b/}",
        "${X//a/b}" * 100,
    ],
)
def test_hostile_words_are_quick(word: str) -> None:
    try:
        assert isinstance(expand(word, {"X": "a" * 5000}, classic=False), str)
    except Invalid as error:
        assert len(error.message) > 20  # noqa: PT017 - either outcome will do


def test_substitutions_are_nested_no_deeper_than_a_stack_allows() -> None:
    def nested(depth: int) -> str:
        return "${x:-" * depth + "y" + "}" * depth

    assert expand(nested(100), {}) == "y"
    with pytest.raises(Invalid, match="substitutions are nested more than 100 deep"):
        expand(nested(101), {})
