"""Printing values as Go's package fmt does."""

from __future__ import annotations

from ligan.cli.tables import Method
from ligan.cli.templates.numbers import binary_text, float_text
from ligan.cli.templates.values import (
    NIL_POINTER,
    NO_VALUE,
    Duration,
    Struct,
    Time,
    go_type,
    kind,
    to_bytes,
)
from ligan.oci.durations import go_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MOST = 1_000_000  # of a width or precision, in Go
_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
}


def quote(text: str, mark: str = '"', *, ascii_only: bool = False) -> str:
    """Return the text as a Go literal, in double quotes or, for one character, in single ones."""
    return mark + "".join([_escape(char, mark, ascii_only) for char in text]) + mark


def _escape(char: str, mark: str, ascii_only: bool) -> str:
    if char == mark:
        return "\\" + char
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if char.isprintable() and (code < 0x7F or not ascii_only):
        return char
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def sprint(operands: list[object]) -> str:
    """Return Go's Sprint: a space between two operands when neither is a string."""
    parts: list[str] = []
    after_string = True
    for operand in operands:
        string = isinstance(operand, str) and not isinstance(operand, Time)
        if not (string or after_string):
            parts.append(" ")
        parts.append(default(operand))
        after_string = string
    return "".join(parts)


def sprintln(operands: list[object]) -> str:
    """Return Go's Sprintln: a space between all operands, and a newline."""
    return " ".join([default(operand) for operand in operands]) + "\n"


def default(value: object) -> str:
    """Return `%v` of the value."""
    if type(value) is str:
        return value
    return _Verb("v").show(value)


def sprintf(text: str, operands: list[object]) -> str:
    """Return Go's Sprintf. Mistakes are told inside the text, as `%!d(string=x)`, never raised."""
    used, parts = _fill(text, operands)
    if 0 <= used < len(operands):
        extra = [
            "<nil>" if operand is None else f"{go_type(operand)}={default(operand)}"
            for operand in operands[used:]
        ]
        parts.append(f"%!(EXTRA {', '.join(extra)})")
    return "".join(parts)


def _fill(text: str, operands: list[object]) -> tuple[int, list[str]]:
    """Return how many operands were used, or -1 where indexes reordered them, and the parts."""
    parts: list[str] = []
    reader = _Directives(text, operands)
    while (percent := text.find("%", reader.position)) >= 0:
        parts.append(text[reader.position : percent])
        reader.position = percent + 1
        parts.append(reader.directive())
    parts.append(text[reader.position :])
    return (-1 if reader.reordered else reader.operand), parts


class _Directives:
    """Reads the directives of one Sprintf text, from left to right."""

    def __init__(self, text: str, operands: list[object]) -> None:
        self.text = text
        self.operands = operands
        self.position = 0
        self.operand = 0
        self.reordered = False
        self.good_index = True

    def directive(self) -> str:
        """Take the directive that begins after the percent sign, and return what it prints."""
        verb = _Verb("")
        self.good_index = True
        faults = ""
        while (char := self._peek()) and char in "#0+- ":
            verb.flags += char
            self.position += 1
        after_index = self._index()
        if self._peek() == "*":
            self.position += 1
            width = self._star()
            if width is None:
                faults += "%!(BADWIDTH)"
            elif width < 0:
                verb.flags += "-"
                width = -width
            verb.width = width
            after_index = False
        else:
            verb.width = self._digits()
            if after_index and verb.width is not None:
                self.good_index = False
        if self._peek() == ".":
            self.position += 1
            if after_index:
                self.good_index = False
            after_index = self._index()
            if self._peek() == "*":
                self.position += 1
                verb.precision = self._star()
                if verb.precision is None or verb.precision < 0:
                    faults += "%!(BADPREC)" if verb.precision is None else ""
                    verb.precision = None
                after_index = False
            else:
                verb.precision = self._digits() or 0
        if not after_index:
            self._index()
        verb.verb = self._peek()
        self.position += 1
        return faults + self._apply(verb)

    def _apply(self, verb: _Verb) -> str:
        if not verb.verb:
            return "%!(NOVERB)"
        if verb.verb == "%":
            return "%"
        if not self.good_index:
            return f"%!{verb.verb}(BADINDEX)"
        if self.operand >= len(self.operands):
            return f"%!{verb.verb}(MISSING)"
        value = self.operands[self.operand]
        self.operand += 1
        return verb.show(value)

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _digits(self) -> int | None:
        begin = self.position
        while (char := self._peek()) and char in "0123456789":
            self.position += 1
        digits = self.text[begin : self.position].lstrip("0")
        if len(digits) > 8 or int(digits[:-1] or "0") > _MOST:
            self.position = len(self.text)  # Go gives up the directive, and all after it: %!(NOVERB)
            return None
        return int(digits or "0") if self.position > begin else None

    def _star(self) -> int | None:
        """Return the operand that stands for a `*`, or None when it is no sensible number."""
        value = self.operands[self.operand] if self.operand < len(self.operands) else None
        self.operand += 1
        if kind(value) in ("int", "uint") and isinstance(value, int) and abs(value) <= _MOST:
            return int(value)
        return None

    def _index(self) -> bool:
        """Take an explicit operand index such as `[2]`."""
        if self._peek() != "[":
            return False
        self.reordered = True
        end = self.text.find("]", self.position)
        inner = self.text[self.position + 1 : end] if end >= 0 else ""
        self.position = end + 1 if end >= 0 else self.position + 1
        if inner.isdecimal() and inner.isascii() and len(inner) < 8 and 1 <= int(inner) <= len(self.operands):
            self.operand = int(inner) - 1
            return True
        self.good_index = False
        return end >= 0


class _Verb:
    """One directive: its verb, flags, width and precision."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.flags = ""
        self.width: int | None = None
        self.precision: int | None = None

    def show(self, value: object) -> str:
        """Return what the directive prints for the value."""
        if self.verb == "T":
            return self._pad(go_type(value))
        if value is None or value is NIL_POINTER or value is NO_VALUE:
            return self._show_nothing(value)
        if isinstance(value, (Duration, Time)) and self.verb in "vsqxX" and "#" not in self.flags:
            value = go_duration(value) if isinstance(value, Duration) else value.printed()
        shape = kind(value)
        if shape in ("list", "map", "struct"):
            return self._show_composite(value)
        printed = _SCALARS[shape](self, value)
        if printed is not None:
            return printed
        verb, self.verb = self.verb, "v"
        shown = self.show(value)
        self.verb = verb
        return f"%!{verb}({go_type(value)}={shown})"

    def _show_nothing(self, value: object) -> str:
        if self.verb == "v":
            return self._pad(repr(value) if value is not None else "<nil>")
        return f"%!{self.verb}(<nil>)"

    def _pad(self, text: str, *, zeros: bool = False) -> str:
        missing = (self.width or 0) - len(text)
        if missing <= 0:
            return text
        if "-" in self.flags:
            return text + " " * missing
        if zeros and "0" in self.flags:
            sign = 1 if text[:1] in ("+", "-", " ") else 0
            return text[:sign] + "0" * missing + text[sign:]
        return " " * missing + text

    def _show_composite(self, value: object) -> str:
        go_syntax = self.verb == "v" and "#" in self.flags
        if isinstance(value, Time):
            return value.printed()
        if isinstance(value, Struct):
            return self._show_struct(value, go_syntax)
        prefix = go_type(value) if go_syntax else ""
        if isinstance(value, list):
            shown = [self._show_element(element) for element in value]
            return f"{prefix}{{{', '.join(shown)}}}" if go_syntax else f"[{' '.join(shown)}]"
        assert isinstance(value, dict)
        pairs = [f"{self.show(key)}:{self._show_element(value[key])}" for key in sorted(value, key=to_bytes)]
        return f"{prefix}{{{', '.join(pairs)}}}" if go_syntax else f"{prefix}map[{' '.join(pairs)}]"

    def _show_element(self, element: object) -> str:
        if element is None:
            return "interface {}(nil)" if self.verb == "v" and "#" in self.flags else self._pad("<nil>")
        return self.show(element)

    def _show_struct(self, value: Struct, go_syntax: bool) -> str:
        named = self.verb == "v" and ("+" in self.flags or go_syntax)
        shown = []
        for name, field in value.items():
            if isinstance(field, Method):
                continue
            content = field() if callable(field) else field
            text = self.show(NIL_POINTER if content is None else content)
            shown.append(f"{name}:{text}" if named else text)
        return f"{go_type(value)}{{{', '.join(shown)}}}" if go_syntax else f"{{{' '.join(shown)}}}"

    def _show_bool(self, value: bool) -> str | None:
        return self._pad(str(value).lower()) if self.verb in "tv" else None

    def _show_int(self, value: int) -> str | None:
        verb = self.verb
        if verb in "bdoOxXv":
            return self._show_digits(value, "d" if verb == "v" else verb)
        if verb == "c":
            return self._pad(_character(value))
        if verb == "q":
            return self._pad(quote(_character(value), "'", ascii_only="+" in self.flags))
        if verb == "U":
            known = (
                f" '{chr(value)}'"
                if "#" in self.flags and 0 <= value < 0x110000 and chr(value).isprintable()
                else ""
            )
            return self._pad(f"U+{value:04X}{known}")
        return None

    def _show_digits(self, value: int, verb: str) -> str:
        digits = format(abs(value), {"O": "o"}.get(verb, verb))
        if self.precision is not None:
            digits = "" if value == 0 and self.precision == 0 else digits.rjust(self.precision, "0")
        if "#" in self.flags:
            digits = {"x": "0x", "X": "0X", "b": "0b", "o": "0"}.get(verb, "") + digits
        if verb == "O":
            digits = "0o" + digits
        return self._pad(self._sign(value < 0) + digits, zeros=self.precision is None)

    def _sign(self, negative: bool) -> str:
        if negative:
            return "-"
        if "+" in self.flags and self.verb != "v":
            return "+"
        return " " if " " in self.flags else ""

    def _show_float(self, value: float) -> str | None:
        verb = "g" if self.verb == "v" else self.verb
        if verb not in "eEfFgGbxX":
            return None
        if value != value:
            return self._pad("NaN")
        if value in (float("inf"), float("-inf")):
            return self._pad("+Inf" if value > 0 else "-Inf")
        sign = self._sign(str(value)[0] == "-")
        if verb in "bxX":
            return self._pad(sign + binary_text(abs(value), verb), zeros=True)
        precision = 6 if self.precision is None and verb in "eEfF" else self.precision
        return self._pad(sign + float_text(abs(value), verb, precision), zeros=True)

    def _show_complex(self, value: complex) -> str | None:
        real, imaginary = _Verb(self.verb), _Verb(self.verb)
        imaginary.verb = "g" if self.verb == "v" else self.verb
        imaginary.flags = "+"
        shown = real._show_float(value.real), imaginary._show_float(value.imag)
        return None if shown[0] is None else f"({shown[0]}{shown[1]}i)"

    def _show_string(self, value: str) -> str | None:
        verb = self.verb
        if verb == "v" and "#" in self.flags:
            return self._pad(quote(value))
        if verb not in "vsqxX":
            return None
        if self.precision is not None and verb in "vsq":
            value = value[: self.precision]
        if verb == "q":
            backquoted = "#" in self.flags and "`" not in value and value.isprintable()
            return self._pad(f"`{value}`" if backquoted else quote(value, ascii_only="+" in self.flags))
        if verb in "xX":
            value = self._show_hex(to_bytes(value))
        return self._pad(value, zeros=True)

    def _show_hex(self, data: bytes) -> str:
        data = data if self.precision is None else data[: self.precision]
        prefix = "0x" if "#" in self.flags and data else ""
        digits = prefix + (data.hex(" ").replace(" ", " " + prefix) if " " in self.flags else data.hex())
        return digits.upper() if self.verb == "X" else digits


_SCALARS: dict[str, Callable[[_Verb, Any], str | None]] = {
    "bool": _Verb._show_bool,
    "int": _Verb._show_int,
    "uint": _Verb._show_int,
    "float": _Verb._show_float,
    "complex": _Verb._show_complex,
    "string": _Verb._show_string,
}


def _character(code: int) -> str:
    valid = 0 <= code < 0x110000 and not 0xD800 <= code < 0xE000
    return chr(code) if valid else "�"
