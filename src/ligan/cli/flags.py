"""Flags as Docker's command line takes them, with its errors.

That dialect is pflag's: `-aq`, `-f=x`, `-fx`, `-f x`, `--filter x`, `--filter=x`,
`--all=false`, `--` ends the flags, and flags may follow arguments. argparse
knows another one, and costs more to import than `ligan images` takes in all
(docs/decisions/0002-start-up.md).
"""

from __future__ import annotations

from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BOOL = "bool"
TEXT = "string"
LIST = "list"
FILTER = "filter"


class Flag(Value):
    """A flag of a command. `help` may have several lines; `default` is as if it had been typed."""

    name: str
    help: str
    short: str = ""
    kind: str = BOOL
    default: str = ""

    def __str__(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


HELP = Flag("help", "Print usage", "h")

_TABLE = (
    "'table':            Print output in table format with column headers (default)\n"
    "'table TEMPLATE':   Print output in table format using the given Go template\n"
)

_FORMAT_HELP = (
    "Format output using a custom template:\n"
    f"{_TABLE}"
    "'json':             Print in JSON format\n"
    "'TEMPLATE':         Print output using the given Go template.\n"
    "Refer to https://docs.docker.com/go/formatting/ for more information "
    "about formatting output with templates"
)

FORMAT = Flag("format", _FORMAT_HELP, kind=TEXT)
"""Of commands that list; the words are docker's."""

INSPECT_FORMAT = Flag("format", _FORMAT_HELP.replace(_TABLE, ""), "f", TEXT)
"""Of commands that show one document."""


class FlagError(Exception):
    """The words are pflag's."""


class Options:
    """What was typed: the arguments, and the flags by name."""

    def __init__(self, flags: Iterable[Flag]) -> None:
        self.arguments: list[str] = []
        self._switches: dict[str, bool] = {}
        self._texts: dict[str, str] = {}
        self._lists: dict[str, list[str]] = {}
        self._given: set[str] = set()
        for flag in flags:
            if flag.kind == BOOL:
                self._switches[flag.name] = flag.default == "true"
            elif flag.kind == TEXT:
                self._texts[flag.name] = flag.default
            else:
                self._lists[flag.name] = []

    def on(self, name: str) -> bool:
        return self._switches[name]

    def text(self, name: str) -> str:
        return self._texts[name]

    def values(self, name: str) -> list[str]:
        """Return what a repeated flag was given, in order."""
        return self._lists[name]

    def given(self, name: str) -> bool:
        """Return whether the flag was typed at all."""
        return name in self._given

    def filters(self, name: str = "filter") -> dict[str, list[str]]:
        """Return filters by name, each value once."""
        filters: dict[str, list[str]] = {}
        for item in self._lists[name]:
            key, _, value = item.partition("=")
            values = filters.setdefault(key.strip().lower(), [])
            if value.strip() not in values:
                values.append(value.strip())
        return filters

    def set(self, flag: Flag, value: str) -> None:
        """Raises FlagError for a value that the flag cannot take."""
        self._given.add(flag.name)
        if flag.kind == BOOL:
            self._switches[flag.name] = _parse_bool(flag, value)
        elif flag.kind == TEXT:
            self._texts[flag.name] = value
        elif flag.kind == LIST:
            self._lists[flag.name].append(value)
        elif value:
            if "=" not in value:
                raise _bad_value(flag, value, "bad format of filter (expected name=value)")
            self._lists[flag.name].append(value)


def parse(flags: Sequence[Flag], words: Sequence[str], *, interspersed: bool = True) -> Options:
    """Sort words into flags and arguments. Raises FlagError.

    Without `interspersed` the first argument ends the flags, and what follows
    it, `--` too, is arguments.
    """
    flags = (*flags, HELP)
    options = Options(flags)
    if not words:
        return options
    long = {flag.name: flag for flag in flags}
    short = {flag.short: flag for flag in flags if flag.short}
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word == "--":
            break
        if len(word) < 2 or word[0] != "-":
            options.arguments.append(word)
            if not interspersed:
                break
        elif word[1] == "-":
            _set_long(options, long, word, rest)
        else:
            _set_short(options, short, word[1:], rest)
    options.arguments += reversed(rest)
    return options


def _set_long(options: Options, flags: Mapping[str, Flag], word: str, rest: list[str]) -> None:
    name, equals, value = word[2:].partition("=")
    if not name or name[0] == "-":
        raise FlagError(f"bad flag syntax: {word}")
    flag = flags.get(name)
    if flag is None:
        raise FlagError(f"unknown flag: --{name}")
    if not equals:
        if flag.kind == BOOL:
            value = "true"
        elif rest:
            value = rest.pop()
        else:
            raise FlagError(f"flag needs an argument: --{name}")
    options.set(flag, value)


def _set_short(options: Options, flags: Mapping[str, Flag], cluster: str, rest: list[str]) -> None:
    while cluster:
        letter, following = cluster[0], cluster[1:]
        flag = flags.get(letter)
        if flag is None:
            raise FlagError(f"unknown shorthand flag: '{letter}' in -{cluster}")
        if len(following) > 1 and following[0] == "=":
            value, following = following[1:], ""
        elif flag.kind == BOOL:
            value = "true"
        elif following:
            value, following = following, ""
        elif rest:
            value = rest.pop()
        else:
            raise FlagError(f"flag needs an argument: '{letter}' in -{cluster}")
        options.set(flag, value)
        cluster = following


_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def _parse_bool(flag: Flag, value: str) -> bool:
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise _bad_value(flag, value, f"strconv.ParseBool: parsing {_quote(value)}: invalid syntax")


def _bad_value(flag: Flag, value: str, why: str) -> FlagError:
    return FlagError(f'invalid argument {_quote(value)} for "{flag}" flag: {why}')


def _quote(text: str) -> str:
    from ligan.cli.templates.gofmt import quote

    return quote(text)
