"""Words of a Dockerfile instruction: splitting them, and putting variables into them.

The rules are those of Docker's parser and shell lexer (engine 20.10, BuildKit's
frontend/dockerfile/parser and shell), which look like a shell's and are not:
splitting keeps the quotes, expanding removes them.
"""

from __future__ import annotations

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SPECIAL_NAMES = "@*#?-$!0"


def split_words(text: str, escape: str = "\\") -> list[str]:
    """Return the words between spaces that are neither quoted nor escaped; quotes and escapes stay in."""
    words: list[str] = []
    word = quote = ""
    blank_is_word = False
    characters = iter(text)
    for char in characters:
        if char == escape:
            escaped = next(characters, "")
            word += char + escaped if escaped else ""  # one at the end counts for nothing
        elif quote:
            quote = "" if char == quote else quote
            word += char
        elif char.isspace():
            if word or blank_is_word:
                words.append(word)
            word, blank_is_word = "", False
        else:
            if char in "'\"":
                quote, blank_is_word = char, True
            word += char
    return [*words, word] if word or blank_is_word else words


def expand(word: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """Return the word without its quotes and escapes, variables replaced. Raises Invalid."""
    try:
        return _Lexer(word, variables, escape).until("")
    except Invalid as error:
        raise Invalid(f"failed to process {quoted(word)}: {error}") from None


def quoted(text: str) -> str:
    """Return the text as Go's %q prints it, if it has no control characters."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Lexer:
    """Reads a word once, from left to right."""

    def __init__(self, text: str, variables: Mapping[str, str], escape: str) -> None:
        self._text = text
        self._escape = escape
        self._at = 0
        self._variables = variables

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        char = self._peek()
        self._at += 1
        return char

    def until(self, stop: str) -> str:
        """Return what comes before an unquoted `stop`, expanded; empty stands for the end."""
        result = ""
        while char := self._peek():
            if char == stop:
                self._next()
                return result
            if char == "'":
                result += self._single_quoted()
            elif char == '"':
                result += self._double_quoted()
            elif char == "$":
                result += self._variable()
            else:
                self._next()
                result += self._next() if char == self._escape else char
        if stop:
            raise Invalid(f"unexpected end of statement while looking for matching {stop}")
        return result

    def _single_quoted(self) -> str:
        self._next()
        end = self._text.find("'", self._at)
        if end < 0:
            raise Invalid("unexpected end of statement while looking for matching single-quote")
        result = self._text[self._at : end]
        self._at = end + 1
        return result

    def _double_quoted(self) -> str:
        self._next()
        result = ""
        while char := self._peek():
            if char == "$":
                result += self._variable()
                continue
            self._next()
            if char == '"':
                return result
            if char == self._escape:
                if not self._peek():
                    break
                if self._peek() in f'"${self._escape}':
                    char = self._next()
            result += char
        raise Invalid("unexpected end of statement while looking for matching double-quote")

    def _variable(self) -> str:
        self._next()
        if self._peek() != "{":
            name = self._name()
            return self._variables.get(name, "") if name else "$"
        self._next()
        if not self._peek():
            raise Invalid("syntax error: missing '}'")
        if self._peek() in "{}:":
            raise Invalid("syntax error: bad substitution")
        name = self._name()
        value = self._variables.get(name)
        char = self._next()
        if char == "}":
            return value or ""
        if char == "?":
            return self._required(name, value, may_be_empty=True)
        if char != ":":
            raise Invalid("missing ':' in substitution")
        modifier = self._next()
        if modifier == "?":
            return self._required(name, value, may_be_empty=False)
        word = self._alternative()
        if modifier == "+":
            return word if value else ""
        if modifier == "-":
            return value or word
        raise Invalid(f"unsupported modifier ({modifier}) in substitution")

    def _alternative(self) -> str:
        try:
            return self.until("}")
        except Invalid:
            if self._peek():
                raise
            raise Invalid("syntax error: missing '}'") from None

    def _required(self, name: str, value: str | None, *, may_be_empty: bool) -> str:
        message = self._alternative()
        if value is None or not (value or may_be_empty):
            fault = "unset" if value is None else "empty"
            raise Invalid(f"{name}: {message or f'is not allowed to be {fault}'}")
        return value

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
