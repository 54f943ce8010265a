"""Fields of tar headers: text and numbers, as Go's archive/tar reads them."""

from __future__ import annotations

from ligan.errors import Corrupt

INVALID = "archive/tar: invalid tar header"


def text_of(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def octal(field: bytes) -> int:
    digits = field.strip(b" \0").partition(b"\0")[0]
    if not digits.isdigit():
        if not digits:
            return 0
        raise Corrupt(INVALID)
    try:
        return int(digits, 8)
    except ValueError:
        raise Corrupt(INVALID) from None


def number_of(field: bytes) -> int:
    """Return a number in octal digits or, marked by the top bit, in base 256."""
    if field[0] < 0x80:
        return octal(field)
    # Seven bits of the first byte count; bit 6 is the sign.
    value = int.from_bytes(field, "big") & (1 << (8 * len(field) - 1)) - 1
    if field[0] & 0x40:
        value -= 1 << (8 * len(field) - 1)
    if not -(1 << 63) <= value < 1 << 63:
        raise Corrupt(INVALID)
    return value


def decimal(text: bytes) -> int:
    sign, digits = (text[:1], text[1:]) if text[:1] in (b"+", b"-") else (b"", text)
    significant = digits.lstrip(b"0")  # Python reads no more than 4,300 digits, even of nothing
    if not digits.isdigit() or len(significant) > 19:
        raise Corrupt(INVALID)
    value = int(sign + (significant or b"0"))
    if not -(1 << 63) <= value < 1 << 63:
        raise Corrupt(INVALID)
    return value


def nanoseconds(text: bytes) -> int:
    """Return the nanoseconds of seconds with or without a fraction."""
    seconds, _, fraction = text.partition(b".")
    if fraction and not fraction.isdigit():
        raise Corrupt(INVALID)
    below = int(fraction[:9].ljust(9, b"0"))
    return decimal(seconds) * 1_000_000_000 + (-below if seconds.startswith(b"-") else below)
