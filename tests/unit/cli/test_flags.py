from __future__ import annotations

import pytest

from ligan.cli.flags import BOOL, FILTER, LIST, TEXT, Flag, FlagError, parse

FLAGS = (
    Flag("all", "", "a"),
    Flag("quiet", "", "q"),
    Flag("no-trunc", ""),
    Flag("human", "", "H", BOOL, "true"),
    Flag("filter", "", "f", FILTER),
    Flag("change", "", "c", LIST),
    Flag("format", "", kind=TEXT),
)


def test_without_words_every_flag_has_its_default() -> None:
    options = parse(FLAGS, [])
    assert not options.on("all")
    assert options.on("human")
    assert options.text("format") == ""
    assert options.values("change") == []
    assert not options.given("all")


@pytest.mark.parametrize(
    "words", [["-aq"], ["-a", "-q"], ["--all", "--quiet"], ["--all=true", "-q"], ["-qa"]]
)
def test_short_flags_can_be_joined(words: list[str]) -> None:
    options = parse(FLAGS, words)
    assert options.on("all")
    assert options.on("quiet")


@pytest.mark.parametrize(
    "words", [["-f", "a=b"], ["-f=a=b"], ["-fa=b"], ["--filter", "a=b"], ["--filter=a=b"], ["-qf", "a=b"]]
)
def test_a_value_can_follow_in_every_way_of_pflag(words: list[str]) -> None:
    assert parse(FLAGS, words).filters() == {"a": ["b"]}


@pytest.mark.parametrize("value", ["false", "0", "f", "F", "FALSE", "False"])
def test_a_switch_can_be_turned_off(value: str) -> None:
    assert not parse(FLAGS, [f"--human={value}"]).on("human")
    assert not parse(FLAGS, [f"-H={value}"]).on("human")


def test_flags_may_follow_arguments_and_two_dashes_end_them() -> None:
    options = parse(FLAGS, ["one", "-a", "-", "--", "-q", "two"])
    assert options.arguments == ["one", "-", "-q", "two"]
    assert options.on("all")
    assert not options.on("quiet")


def test_before_a_command_the_first_argument_ends_the_flags() -> None:
    assert parse(FLAGS, ["-a", "images", "-q"], interspersed=False).arguments == ["images", "-q"]


def test_the_last_text_wins_and_lists_grow() -> None:
    options = parse(FLAGS, ["--format", "a", "--format=b", "-c", "x", "-c", "y"])
    assert options.text("format") == "b"
    assert options.values("change") == ["x", "y"]


def test_filters_are_trimmed_lowered_and_kept_once() -> None:
    words = ["-f", " Label = a=b ", "-f", "label=a=b", "-f", "label=c", "-f", "="]
    assert parse(FLAGS, words).filters() == {"label": ["a=b", "c"], "": [""]}


def test_an_empty_filter_is_none() -> None:
    assert parse(FLAGS, ["--filter", ""]).filters() == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--foo"], "unknown flag: --foo"),
        (["--foo=1"], "unknown flag: --foo"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["-aqz"], "unknown shorthand flag: 'z' in -z"),
        (["-xaq"], "unknown shorthand flag: 'x' in -xaq"),
        (["-a="], "unknown shorthand flag: '=' in -="),
        (["--=x"], "bad flag syntax: --=x"),
        (["---x"], "bad flag syntax: ---x"),
        (["-f"], "flag needs an argument: 'f' in -f"),
        (["-af"], "flag needs an argument: 'f' in -f"),
        (["--filter"], "flag needs an argument: --filter"),
        (
            ["--filter", "x"],
            'invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)',
        ),
        (
            ["--no-trunc="],
            'invalid argument "" for "--no-trunc" flag: strconv.ParseBool: parsing "": invalid syntax',
        ),
        (
            ["-a=maybe"],
            'invalid argument "maybe" for "-a, --all" flag: '
            'strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
    ],
)
def test_errors_have_the_words_of_pflag(words: list[str], message: str) -> None:
    with pytest.raises(FlagError) as caught:
        parse(FLAGS, words)
    assert str(caught.value) == message


def test_help_is_a_flag_of_every_command() -> None:
    assert parse((), ["--help"]).on("help")
    assert parse((), ["-h"]).on("help")
