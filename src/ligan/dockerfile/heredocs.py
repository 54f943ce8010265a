"""The documents within RUN, COPY and ADD: `<<EOF`, `<<-EOF` and `<<"EOF"`. Classic builds know none."""

from __future__ import annotations

import re

from ligan.dockerfile.nodes import Heredoc
from ligan.dockerfile.words import Lexer, split_pieces
from ligan.errors import Invalid

_MARK = re.compile(r"[0-9]*<<(-?)[\t\n\f\r ]*([^<]*)", re.ASCII)


class Mark(Heredoc):
    """The head of a document whose content is not read yet; `chomps` says that leading tabs go."""

    chomps: bool


def marks_of(line: str) -> list[Mark]:
    """Return the documents that a line opens, in their order. Raises Invalid."""
    if "<<" not in line:
        return []
    lexer = Lexer(line, {}, "\\", classic=False, raw_quotes=True, raw_escapes=True, keep_unset=True)
    try:
        words = split_pieces(lexer.pieces(""))
    except Invalid:
        return []  # BuildKit takes a line that it cannot split for one without documents
    marks = [parse_mark(word) for word in words]
    return [mark for mark in marks if mark is not None]


def parse_mark(word: str) -> Mark | None:
    """Return the document that a word opens, None for any other word. Raises Invalid.

    A source of COPY or ADD is such a word; its content is that of the instruction's document of that name.
    """
    match = _MARK.fullmatch(word)
    if match is None or not match[2]:
        return None
    try:
        names = _names(match[2], raw_quotes=False)
    except Invalid as error:
        from ligan.dockerfile.faults import quoted

        raise Invalid(f"failed to process {quoted(match[2])}: {error}") from None
    if len(names) != 1:
        return None
    [raw] = _names(match[2], raw_quotes=True) or [""]
    return Mark(names[0], "", _quotes(names[0]) == _quotes(raw), bool(match[1]))


def _names(text: str, *, raw_quotes: bool) -> list[str]:
    lexer = Lexer(text, {}, "\\", classic=False, raw_quotes=raw_quotes, keep_unset=True)
    return split_pieces(lexer.pieces(""))


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')


def without_tabs(content: str) -> str:
    """Return what `<<-` makes of a document: its lines without tabs in front."""
    return re.sub(r"(?m)^\t+", "", content)
