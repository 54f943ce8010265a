"""Cutting a template into tokens, by the rules of Go's text/template."""

from __future__ import annotations

from ligan.cli.templates.gofmt import quote
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LEFT, RIGHT = "{{", "}}"
SPACES = " \t\r\n"
KEYWORDS = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with")
)
DIGITS = "0123456789_"
HEX_DIGITS = DIGITS + "abcdefABCDEF"
MARKER = 2  # a trim marker is a minus and a space


class Token(Value):
    """A token: its type is `text`, `left`, `right`, `error`, a keyword, or the name of a literal."""

    type: str
    start: int
    text: str
    line: int

    def __str__(self) -> str:
        """Return the token as Go's error messages show it."""
        if self.type == "eof":
            return "EOF"
        if self.type == "error":
            return self.text
        if self.type in KEYWORDS or self.type == "dot":
            return f"<{self.text}>"
        if len(self.text.encode("utf-8", "replace")) > 10:
            return quote(self.text[:10]) + "..."
        return quote(self.text)


class _Fault(Exception):
    """Carries a message to the end of `tokenize`, and no further."""


class Lexer:
    """Turns `text` into tokens; the last one is of type `eof` or `error`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.start = 0
        self.line = 1
        self.counted = 0
        self.depth = 0
        self.tokens: list[Token] = []

    def tokenize(self) -> list[Token]:
        """Return all tokens. The text after a fault is not looked at, as in Go."""
        try:
            while self._text():
                self._action()
            self._emit("eof")
        except _Fault as fault:
            self._count_lines(self.start)
            self.tokens.append(Token("error", self.start, str(fault), self.line))
        return self.tokens

    def _count_lines(self, end: int) -> None:
        self.line += self.text.count("\n", self.counted, end)
        self.counted = max(self.counted, end)

    def _emit(self, kind: str) -> None:
        self._count_lines(self.start)
        self.tokens.append(Token(kind, self.start, self.text[self.start : self.position], self.line))
        self.start = self.position

    def _skip_to(self, position: int) -> None:
        self.position = self.start = position

    def _text(self) -> bool:
        """Take the text before the next action, and its left delimiter. False at the end."""
        while True:
            found = self.text.find(LEFT, self.start)
            end = found if found >= 0 else len(self.text)
            after = end + len(LEFT)
            trims = self.text[after : after + 1] == "-" and self.text[after + 1 : after + 2] in (*SPACES,)
            self.position = end
            if found >= 0 and trims:
                self.position = self.start + len(self.text[self.start : end].rstrip(SPACES))
            if self.position > self.start:
                self._emit("text")
            self._skip_to(end)
            if found < 0:
                return False
            inside = after + MARKER * trims
            if not self.text.startswith("/*", inside):
                self.position = after
                self._emit("left")
                self._skip_to(inside)
                self.depth = 0
                return True
            self._comment(inside)

    def _comment(self, inside: int) -> None:
        self._skip_to(inside)
        end = self.text.find("*/", inside + 2)
        if end < 0:
            raise _Fault("unclosed comment")
        self.position = end + 2
        trims = self._right_delimiter()
        if trims is None:
            raise _Fault("comment ends before closing delimiter")
        self._close(trims)

    def _right_delimiter(self) -> bool | None:
        """Return whether the right delimiter that stands here trims, or None where none stands."""
        here = self.text[self.position : self.position + 4]
        if here[:1] in (*SPACES,) and here[1:] == "-" + RIGHT:
            return True
        return False if here.startswith(RIGHT) else None

    def _close(self, trims: bool) -> None:
        after = self.position + MARKER * trims + len(RIGHT)
        if trims:
            while self.text[after : after + 1] in (*SPACES,):
                after += 1
        self._skip_to(after)

    def _action(self) -> None:
        """Take tokens up to and with the right delimiter."""
        while True:
            trims = self._right_delimiter()
            if trims is not None:
                if self.depth:
                    raise _Fault("unclosed left paren")
                begin = self.position + MARKER * trims
                self._count_lines(begin)
                self.tokens.append(Token("right", begin, RIGHT, self.line))
                self._close(trims)
                return
            if self.position >= len(self.text):
                raise _Fault("unclosed action")
            self._token(self.text[self.position])

    def _token(self, char: str) -> None:
        take = _SPECIAL.get(char)
        if take:
            take(self)
        elif char in SPACES:
            self._space()
        elif char == "." and not self._peek(1).isdecimal():
            self._name("field")
        elif char in "+-." or "0" <= char <= "9":
            self._number()
        elif _is_word(char):
            self._word()
        else:
            self.position += 1
            if not " " < char < "\x7f":
                raise _Fault(f"unrecognized character in action: {_code_point(char)}")
            self._emit("char")

    def _peek(self, ahead: int = 0) -> str:
        at = self.position + ahead
        return self.text[at : at + 1]

    def _space(self) -> None:
        begin = self.position
        while self._peek() in (*SPACES,):
            self.position += 1
        # The last space can belong to a trimming right delimiter.
        self.position -= 1
        if not self._right_delimiter():
            self.position += 1
        if self.position > begin:
            self._emit("space")

    def _one(self, kind: str) -> None:
        self.position += 1
        self._emit(kind)

    def _declare(self) -> None:
        if self._peek(1) != "=":
            raise _Fault("expected :=")
        self.position += 2
        self._emit("declare")

    def _open_paren(self) -> None:
        self.depth += 1
        self._one("(")

    def _close_paren(self) -> None:
        if not self.depth:
            raise _Fault("unexpected right paren")
        self.depth -= 1
        self._one(")")

    def _quoted(self, end: str, kind: str, fault: str) -> None:
        self.position += 1
        while (char := self._peek()) != end:
            if char == "\\":
                self.position += 1
                char = self._peek()
            if char in ("", "\n"):
                raise _Fault(fault)
            self.position += 1
        self._one(kind)

    def _raw_quoted(self) -> None:
        end = self.text.find("`", self.position + 1)
        if end < 0:
            raise _Fault("unterminated raw quoted string")
        self.position = end + 1
        self._emit("raw string")

    def _name(self, kind: str) -> None:
        """Take `.Field` or `$variable`; the mark alone is the dot or the root variable."""
        self.position += 1
        if kind == "field" and self._at_terminator():
            self._emit("dot")
            return
        self._run_word()
        self._emit(kind)

    def _word(self) -> None:
        self._run_word()
        word = self.text[self.start : self.position]
        if word in ("true", "false"):
            self._emit("bool")
        else:
            self._emit(word if word in KEYWORDS else "identifier")

    def _run_word(self) -> None:
        while _is_word(self._peek()):
            self.position += 1
        if not self._at_terminator():
            raise _Fault(f"bad character {_code_point(self._peek())}")

    def _at_terminator(self) -> bool:
        char = self._peek()
        return not char or char in SPACES or char in ".,|:()" or self.text.startswith(RIGHT, self.position)

    def _number(self) -> None:
        good = self._scan_number()
        if good and self._peek() in ("+", "-"):
            good = self._scan_number() and self.text[self.position - 1] == "i"
        if not good:
            raise _Fault(f"bad number syntax: {quote(self.text[self.start : self.position])}")
        self._emit("number")

    def _scan_number(self) -> bool:
        self._accept("+-")
        digits = DIGITS
        if self._accept("0"):
            if self._accept("xX"):
                digits = HEX_DIGITS
            elif self._accept("oO"):
                digits = "01234567_"
            elif self._accept("bB"):
                digits = "01_"
        self._run(digits)
        if self._accept("."):
            self._run(digits)
        if (digits is DIGITS and self._accept("eE")) or (digits is HEX_DIGITS and self._accept("pP")):
            self._accept("+-")
            self._run(DIGITS)
        self._accept("i")
        if _is_word(self._peek()):
            self.position += 1
            return False
        return True

    def _accept(self, valid: str) -> bool:
        found = self._peek() != "" and self._peek() in valid
        self.position += found
        return found

    def _run(self, valid: str) -> None:
        while self._accept(valid):
            pass


def _is_word(char: str) -> bool:
    return char == "_" or char.isalpha() or char.isdecimal()


def _code_point(char: str) -> str:
    return f"U+{ord(char):04X}" + (f" '{char}'" if char.isprintable() else "")


_SPECIAL: dict[str, Callable[[Lexer], None]] = {
    "=": lambda lexer: lexer._one("assign"),
    "|": lambda lexer: lexer._one("pipe"),
    ":": Lexer._declare,
    "(": Lexer._open_paren,
    ")": Lexer._close_paren,
    '"': lambda lexer: lexer._quoted('"', "string", "unterminated quoted string"),
    "'": lambda lexer: lexer._quoted("'", "char constant", "unterminated character constant"),
    "`": Lexer._raw_quoted,
    "$": lambda lexer: lexer._name("variable"),
}
