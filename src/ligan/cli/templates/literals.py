"""Go's literals: strings, characters and numbers."""

from __future__ import annotations

from ligan.cli.templates.gofmt import quote
from ligan.cli.templates.values import Int, from_bytes, to_bytes

_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_CODED = {"x": (2, 16), "u": (4, 16), "U": (8, 16)}
_DECIMAL = "0123456789_"


class LiteralError(Exception):
    """The text is no literal of Go."""


def unquote(source: str) -> str:
    """Return the value of a string literal in double or back quotes. Raises LiteralError."""
    if source[0] == "`":
        return source[1:-1].replace("\r", "")
    inner = source[1:-1]
    if "\\" not in inner:
        return inner
    data = b""
    while inner:
        piece, inner = _character(inner, '"')
        data += piece
    return from_bytes(data)


def _character(text: str, mark: str) -> tuple[bytes, str]:
    """Return the bytes of the first character, escaped or not, and the rest."""
    if text[0] != "\\":
        return to_bytes(text[0]), text[1:]
    letter = text[1:2]
    if letter in _SIMPLE:
        return bytes([_SIMPLE[letter]]), text[2:]
    if letter and letter == mark:
        return letter.encode(), text[2:]
    length, base = _CODED.get(letter, (3, 8))
    begin = 2 if letter in _CODED else 1
    digits = text[begin : begin + length]
    valid = "01234567" if base == 8 else "0123456789abcdefABCDEF"
    if len(digits) < length or any(digit not in valid for digit in digits):
        raise LiteralError("invalid syntax")
    code = int(digits, base)
    if letter in ("u", "U"):
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise LiteralError("invalid syntax")
        return chr(code).encode(), text[begin + length :]
    if code > 255:
        raise LiteralError("invalid syntax")
    return bytes([code]), text[begin + length :]


def number(source: str) -> int | float | complex:
    """Return the value of a number or character literal. Raises LiteralError.

    An integer of 2**63 and more is returned all the same: Go rejects it only
    where it is used.
    """
    if source[0] == "'":
        return _rune(source)
    if source[-1] == "i" and not source.lower().startswith("0x"):
        return _complex(source)
    floating = any(char in ".eEpP" for char in source) and not (
        source.lstrip("+-")[:2] in ("0x", "0X") and "p" not in source.lower()
    )
    try:
        if floating:
            return _float(source)
        value = _integer(source)
    except ValueError:
        # Go tries 08 as a float, then finds that it should have been an integer.
        fault = "integer overflow" if source.lstrip("+-").isdecimal() else "illegal number syntax"
        raise LiteralError(f"{fault}: {quote(source)}") from None
    if not -(1 << 63) <= value < 1 << 64:
        raise LiteralError(f"integer overflow: {quote(source)}")
    return Int(value)


def _rune(source: str) -> Int:
    inner = source[1:]
    if inner == "'":
        raise LiteralError("invalid syntax")
    data, rest = _character(inner, "'")
    if rest != "'":
        raise LiteralError(f"malformed character constant: {source}")
    return Int(ord(data.decode()) if len(data) > 1 else data[0])


def _integer(source: str) -> int:
    digits = source.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1] in _DECIMAL:
        return int(source.replace("0", "0o", 1), 0)
    return int(source, 0)


def _float(source: str) -> float:
    return float.fromhex(source) if "x" in source.lower() else float(source)


def _complex(source: str) -> complex:
    split = max(source.rfind("+", 1), source.rfind("-", 1))
    if split > 0 and source[split - 1] in "eEpP":
        split = max(source.rfind("+", 1, split - 1), source.rfind("-", 1, split - 1))
    try:
        real = _float(source[:split]) if split > 0 else 0.0
        return complex(real, _float(source[max(split, 0) : -1]))
    except ValueError:
        raise LiteralError(f"illegal number syntax: {quote(source)}") from None
