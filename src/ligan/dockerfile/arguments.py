"""How an instruction's line splits: its name, its flags, and the rest as its kind has it.

Source of the rules: the line parsers of engine 20.10 and BuildKit,
frontend/dockerfile/parser. Splitting keeps quotes and escapes; expanding
removes them.
"""

from __future__ import annotations

import re

from ligan.dockerfile.faults import DockerfileError, quoted
from ligan.dockerfile.words import SPACE

_BLANKS = re.compile(r"[\t\v\f\r ]+")
_SPACES = re.compile(rf"[{SPACE}]+")
_SPECIAL = re.compile(rf"[{SPACE}'\"\\`]")
SURROGATE = re.compile("[\ud800-\udfff]")


def split_name(line: str) -> tuple[str, str]:
    """Return the first word of a line as it is written, and the rest."""
    name, *rest = _BLANKS.split(line.strip(SPACE), maxsplit=1)
    return name, rest[0] if rest else ""


def split_flags(rest: str, escape: str) -> tuple[tuple[str, ...], str]:
    """Take leading `--name=value` words off, without quotes and escapes; a bare `--` ends them."""
    flags: list[str] = []
    at = 0
    while True:
        spaces = _SPACES.match(rest, at)
        at = spaces.end() if spaces else at
        if not rest.startswith("--", at):
            break
        flag, at = _flag(rest, at, escape)
        if flag == "--":
            break
        flags.append(flag)
    return tuple(flags), rest[at:].strip(SPACE)


def _flag(text: str, at: int, escape: str) -> tuple[str, int]:
    word: list[str] = []
    quote = ""
    while at < len(text):
        special = _SPECIAL.search(text, at)
        end = special.start() if special else len(text)
        word.append(text[at:end])
        at = end
        if special is None:
            break
        char = special[0]
        if not quote and char in SPACE:
            break
        at += 1
        if char == escape:
            word.append(text[at : at + 1])  # one at the end counts for nothing
            at += 1
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        else:
            word.append(char)
    return "".join(word), min(at, len(text))


def split_words(text: str, escape: str) -> list[str]:
    """Return the words between spaces that are neither quoted nor escaped; quotes and escapes stay in."""
    words: list[str] = []
    word: list[str] = []
    quote = ""
    at = 0
    while at < len(text):
        special = _SPECIAL.search(text, at)
        end = special.start() if special else len(text)
        word.append(text[at:end])
        at = end + 1
        if special is None:
            break
        char = special[0]
        if char == escape and quote != "'":
            # One at the end counts for nothing.
            word.append(text[end : end + 2] if at < len(text) else "")
            at += 1
        elif quote:
            quote = "" if char == quote else quote
            word.append(char)
        elif char in SPACE:
            words.append("".join(word))
            word = []
        else:
            quote = char if char in "'\"" else ""
            word.append(char)
    words.append("".join(word))
    return [word for word in words if word]


def split_arguments(
    name: str, rest: str, escape: str, *, classic: bool
) -> tuple[tuple[str | None, ...], bool]:
    """Return the arguments of an instruction, as `nodes.Instruction` has them, and whether they are JSON.

    `name` is in upper case; an unknown one has what is there as its argument.
    Raises DockerfileError without a line.
    """
    if name in ("ENV", "LABEL"):
        return _pairs(rest, name, escape), False
    if name == "ARG":
        return _names_and_values(rest, escape), False
    if name in ("EXPOSE", "FROM"):
        return _list(rest), False
    if name in ("ADD", "COPY", "VOLUME"):
        array = _json_array(rest, classic=classic)
        return (_list(rest), False) if array is None else (array, True)
    if name in ("CMD", "ENTRYPOINT", "RUN", "SHELL"):
        return _command(rest, classic=classic)
    if name == "HEALTHCHECK" and rest:
        kind, *command = _SPACES.split(rest, maxsplit=1)
        arguments, is_json = _command("".join(command), classic=classic)
        return (kind, *arguments), is_json
    return ((rest,) if rest else ()), False


def _list(rest: str) -> tuple[str, ...]:
    return tuple(_BLANKS.split(rest)) if rest else ()


def _command(rest: str, *, classic: bool) -> tuple[tuple[str, ...], bool]:
    array = _json_array(rest, classic=classic)
    if array is not None:
        return array, True
    return ((rest,) if rest else ()), False


def _pairs(rest: str, name: str, escape: str) -> tuple[str, ...]:
    """Return key, value, key, value … of `k=v k=v` or, in the old form, of `k v`."""
    words = split_words(rest, escape)
    if not words:
        return ()
    if "=" not in words[0]:
        parts = _BLANKS.split(rest, maxsplit=1)
        if len(parts) < 2:
            raise DockerfileError(f"{name} must have two arguments")
        return tuple(parts)
    pairs: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            shown = quoted(word)
            raise DockerfileError(f"Syntax error - can't find = in {shown}. Must be of the form: name=value")
        pairs += [key, value]
    return tuple(pairs)


def _names_and_values(rest: str, escape: str) -> tuple[str | None, ...]:
    arguments: list[str | None] = []
    for word in split_words(rest, escape):
        key, equals, value = word.partition("=")
        arguments += [key, value if equals else None]
    return tuple(arguments)


def _json_array(text: str, *, classic: bool) -> tuple[str, ...] | None:
    """Return the array of strings that the text is, None for anything else.

    A classic parse reads the array that the text begins with, whatever follows.
    """
    text = text.lstrip(SPACE)
    if not text.startswith("["):
        return None
    import json

    try:
        array, end = json.JSONDecoder(parse_constant=_refuse).raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if not classic and text[end:].strip(" \t\r\n"):
        return None
    if not all(isinstance(item, str) for item in array):
        raise DockerfileError("when using JSON array syntax, arrays must be comprised of strings only")
    # Go reads half of a surrogate pair as the replacement character.
    return tuple([SURROGATE.sub("\ufffd", item) for item in array])


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # Go's JSON has no NaN and no Infinity
