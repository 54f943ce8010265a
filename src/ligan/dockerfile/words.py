"""Variables and quotes in the words of a Dockerfile.

The rules are those of Docker's shell lexer (engine 20.10 and BuildKit,
frontend/dockerfile/shell), which look like a shell's and are not. `classic`
asks for those of 20.10, whose `${}` knows `:-`, `:+`, `:?` and `?` only.
"""

from __future__ import annotations

import re

from ligan.dockerfile.faults import quoted
from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Variables(Protocol):
        """What a lexer asks for values: a mapping will do."""

        def get(self, name: str, /) -> str | None: ...


SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What Go calls a space; Python's own has four control characters more."""

_SPECIAL_NAMES = "@*#?-$!0"
_DEEPEST = 100  # a word within a word within …; Python's stack is not Go's


def expand(word: str, variables: Variables, escape: str = "\\", *, classic: bool = True) -> str:
    """Return the word without its quotes and escapes, variables replaced. Raises Invalid."""
    pieces = _lex(word, variables, escape, classic)
    return "".join([text for text, _splits in pieces])


def expand_words(word: str, variables: Variables, escape: str = "\\", *, classic: bool = True) -> list[str]:
    """Return the words that it is once expanded, split at spaces that are not quoted. Raises Invalid."""
    return split_pieces(_lex(word, variables, escape, classic))


def expand_document(text: str, variables: Variables) -> str:
    """Return a heredoc with its variables. Raises Invalid.

    Quotes are characters like any other; `\\` escapes, whatever the file's escape is.
    """
    lexer = Lexer(text, variables, "\\", classic=False, plain_quotes=True)
    return "".join([text for text, _splits in lexer.pieces("")])


class Noted:
    """Variables that note which were asked for and have no value: their names are added to `missing`."""

    def __init__(self, values: Mapping[str, str], missing: set[str]) -> None:
        self._values = values
        self._missing = missing

    def get(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None:
            self._missing.add(name)
        return value


def _lex(word: str, variables: Variables, escape: str, classic: bool) -> list[tuple[str, bool]]:
    try:
        return Lexer(word, variables, escape, classic=classic).pieces("")
    except Invalid as error:
        raise Invalid(f"failed to process {quoted(word)}: {error}") from None


def split_pieces(pieces: list[tuple[str, bool]]) -> list[str]:
    """Return the words of a lexer's pieces: those of text that splits end at a space, none is empty."""
    words: list[str] = []
    word: list[str] = []
    for text, splits in pieces:
        if not splits:
            word.append(text)
            continue
        for char in text:
            if char not in SPACE:
                word.append(char)
            elif word:
                words.append("".join(word))
                word = []
    words.append("".join(word))
    return [text for text in words if text]


class Lexer:
    """Reads a word once, from left to right.

    `raw_quotes` and `raw_escapes` leave those in, and `keep_unset` variables
    that are not set; with `plain_quotes` quotes mean nothing.
    """

    def __init__(
        self,
        text: str,
        variables: Variables,
        escape: str,
        *,
        classic: bool,
        raw_quotes: bool = False,
        raw_escapes: bool = False,
        keep_unset: bool = False,
        plain_quotes: bool = False,
    ) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._variables = variables
        self._escape = escape
        self._classic = classic
        self._raw_quotes = raw_quotes
        self._raw_escapes = raw_escapes
        self._keep_unset = keep_unset
        self._plain_quotes = plain_quotes

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        char = self._peek()
        self._at += 1
        return char

    def pieces(self, stop: str) -> list[tuple[str, bool]]:
        """Return what comes before an unquoted `stop`, expanded, each with whether spaces in it split.

        An empty `stop` stands for the end. Raises Invalid.
        """
        found: list[tuple[str, bool]] = []
        plain = re.compile(f"[^'\"$<{re.escape(self._escape + stop)}]+")
        while char := self._peek():
            run = plain.match(self._text, self._at)
            if run:
                found.append((run[0], True))
                self._at = run.end()
                continue
            if char == stop:
                self._at += 1
                return found
            if char in "'\"" and not self._plain_quotes:
                found.append((self._single_quoted() if char == "'" else self._double_quoted(), False))
            elif char == "$":
                found.append((self._variable(), True))
            elif char == "<" and not self._classic:
                found.append((self._heredoc_mark(), False))
            else:
                self._at += 1
                if char != self._escape:
                    found.append((char, True))
                    continue
                escaped = self._next()
                found.append((char + escaped if self._raw_escapes else escaped, False))
        if stop:
            raise Invalid(f"unexpected end of statement while looking for matching {stop}")
        return found

    def _until(self, stop: str, *, raw_escapes: bool) -> str:
        """Return the text before `stop`, expanded."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Invalid(f"substitutions are nested more than {_DEEPEST} deep")
        before, self._raw_escapes = self._raw_escapes, raw_escapes
        try:
            return "".join([text for text, _splits in self.pieces(stop)])
        finally:
            self._raw_escapes = before
            self._depth -= 1

    def _heredoc_mark(self) -> str:
        """Return `<<` with the spaces behind it, which do not part it from its name, or a lone `<`."""
        start = self._at
        self._at += 1
        if self._peek() == "<":
            self._at += 1
            while self._peek() and self._peek() in "\t\r ":
                self._at += 1
        return self._text[start : self._at]

    def _single_quoted(self) -> str:
        start = self._at
        end = self._text.find("'", start + 1)
        if end < 0:
            self._at = len(self._text)
            raise Invalid("unexpected end of statement while looking for matching single-quote")
        self._at = end + 1
        return self._text[start : end + 1] if self._raw_quotes else self._text[start + 1 : end]

    def _double_quoted(self) -> str:
        quote = self._next() if self._raw_quotes else self._next()[:0]
        result = [quote]
        plain = re.compile(f'[^"${re.escape(self._escape)}]+')
        while char := self._peek():
            run = plain.match(self._text, self._at)
            if run:
                result.append(run[0])
                self._at = run.end()
                continue
            if char == "$":
                result.append(self._variable())
                continue
            self._at += 1
            if char == '"':
                return "".join([*result, quote])
            if char == self._escape:
                if self._raw_escapes:
                    result.append(char)
                if not self._peek():
                    break
                if self._peek() in f'"${self._escape}':
                    char = self._next()
            result.append(char)
        raise Invalid("unexpected end of statement while looking for matching double-quote")

    def _variable(self) -> str:
        self._at += 1
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            return self._value(name, f"${name}")
        self._at += 1
        if not self._peek():
            raise Invalid("syntax error: missing '}'")
        if self._peek() in "{}:":
            raise Invalid("syntax error: bad substitution")
        name = self._name()
        modifier = self._next()
        if modifier == "}":
            return self._value(name, f"${{{name}}}")
        if modifier == "/" and not self._classic:
            return self._replaced(name)
        if modifier == ":":
            modifier += self._next()
        elif self._classic and modifier != "?":
            raise Invalid("missing ':' in substitution")
        elif not modifier or modifier not in "+-?#%":
            raise self._unsupported(modifier)
        if modifier in (":#", ":%") and not self._classic:
            raise self._unsupported(modifier)
        return self._modified(name, modifier)

    def _value(self, name: str, unset: str) -> str:
        value = self._variables.get(name)
        return (unset if self._keep_unset else "") if value is None else value

    def _unsupported(self, modifier: str) -> Invalid:
        shown = modifier[-1:] if self._classic else modifier or "\ufffd"
        return Invalid(f"unsupported modifier ({shown}) in substitution")

    def _modified(self, name: str, modifier: str) -> str:
        """Return the value of `${name:-word}` and its like."""
        kind = modifier[-1]
        word = self._operand("}", "syntax error: missing '}'", raw_escapes=kind in "#%")
        value = self._variables.get(name)
        if self._keep_unset and value is None:
            return f"${{{name}{modifier}{word}}}"
        absent = not value if modifier[0] == ":" else value is None
        if kind == "-":
            return word if value is None or absent else value
        if kind == "+":
            return "" if absent else word
        if kind == "?":
            if value is None or absent:
                fault = "unset" if value is None else "empty"
                raise Invalid(f"{name}: {word or f'is not allowed to be {fault}'}")
            return value
        if kind not in "#%" or modifier[0] == ":":
            raise self._unsupported(modifier)
        from ligan.dockerfile import patterns

        trimmed = patterns.without_prefix if kind == "#" else patterns.without_suffix
        return trimmed(value or "", word.removeprefix(kind), longest=word.startswith(kind))

    def _replaced(self, name: str) -> str:
        """Return the value of `${name/pattern/text}` and `${name//pattern/text}`."""
        everywhere = self._peek() == "/"
        self._at += everywhere
        pattern = self._operand("/", "syntax error: missing '/' in ${}", raw_escapes=True)
        text = self._operand("}", "syntax error: missing '}'", raw_escapes=True)
        value = self._variables.get(name)
        if value is None and self._keep_unset:
            return f"${{{name}/{pattern}/{text}}}"
        from ligan.dockerfile import patterns

        return patterns.replaced(value or "", pattern, text, everywhere=everywhere)

    def _operand(self, stop: str, fault: str, *, raw_escapes: bool) -> str:
        try:
            return self._until(stop, raw_escapes=raw_escapes)
        except Invalid:
            if self._peek():
                raise
            raise Invalid(fault) from None

    def _name(self) -> str:
        start = self._at
        first = self._peek()
        if first.isdigit():
            while self._peek().isdigit():
                self._at += 1
        elif first and first in _SPECIAL_NAMES:
            self._at += 1
        else:
            while self._peek().isalnum() or self._peek() == "_":
                self._at += 1
        return self._text[start : self._at]
