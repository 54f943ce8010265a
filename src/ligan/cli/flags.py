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
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    Read = TypeVar("Read")

BOOL = "bool"
TEXT = "string"
INTEGER = "int"
LIST = "list"
MAP = "map"
STRINGS = "strings"
FILTER = "filter"

_REPEATED = (LIST, MAP, STRINGS, "mount", "network", "ulimit")
"""Kinds of which each use adds a value."""


class Flag(Value):
    """A flag of a command. `help` may have several lines; one without is in no help.

    `kind` is the word for its value that docker's help has. `default` is as if it had been typed.
    """

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

    def __init__(self, flags: Sequence[Flag]) -> None:
        self._flags = flags
        self.arguments: list[str] = []
        self._switches: dict[str, bool] = {}
        self._texts: dict[str, str] = {}
        self._lists: dict[str, list[str]] = {}
        self._given: set[str] = set()
        for flag in flags:
            if flag.kind == BOOL:
                self._switches[flag.name] = flag.default == "true"
            elif flag.kind == FILTER or flag.kind in _REPEATED:
                self._lists[flag.name] = []
            else:
                self._texts[flag.name] = flag.default

    def on(self, name: str) -> bool:
        return self._switches[name]

    def text(self, name: str) -> str:
        return self._texts[name]

    def values(self, name: str) -> list[str]:
        """Return what a repeated flag was given, in order."""
        return self._lists[name]

    def integer(self, name: str, default: int = 0) -> int:
        return self.read(name, parse_integer, default)

    def read(self, name: str, parse: Callable[[str], Read], default: Read) -> Read:
        """Return what `parse` makes of the flag's text; FlagError for its ValueError."""
        return self._read(name, self._texts[name], parse) if self._texts[name] else default

    def read_all(self, name: str, parse: Callable[[str], Read]) -> list[Read]:
        """Return what `parse` makes of each value of a repeated flag; FlagError for its ValueError."""
        return [self._read(name, value, parse) for value in self._lists[name]]

    def _read(self, name: str, value: str, parse: Callable[[str], Read]) -> Read:
        try:
            return parse(value)
        except ValueError as error:
            flag = next(flag for flag in self._flags if flag.name == name)
            raise _bad_value(flag, value, str(error)) from None

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
        elif flag.kind == FILTER:
            if value:
                if "=" not in value:
                    raise _bad_value(flag, value, "bad format of filter (expected name=value)")
                self._lists[flag.name].append(value)
        elif flag.kind == STRINGS:
            self._lists[flag.name] += value.split(",")
        elif flag.kind in _REPEATED:
            self._lists[flag.name].append(value)
        else:
            self._texts[flag.name] = value


def parse(flags: Sequence[Flag], words: Sequence[str], *, interspersed: bool = True) -> Options:
    """Sort words into flags and arguments. Raises FlagError.

    Without `interspersed` the first argument ends the flags, and what follows
    it, `--` too, is arguments.
    """
    flags = (HELP, *flags)  # `run -h NAME` names a host
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


def parse_integer(text: str) -> int:
    """Return a whole number of 64 bits. Raises ValueError in the words of Go's strconv."""
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"strconv.ParseInt: parsing {_quote(text)}: invalid syntax")
    if len(digits) > 19 or int(digits) >= 1 << 63:
        raise ValueError(f"strconv.ParseInt: parsing {_quote(text)}: value out of range")
    return int(text)


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
