"""Numbers as text, in the ways of Go."""

from __future__ import annotations


def float_text(value: float, verb: str, precision: int | None) -> str:
    """Return strconv.FormatFloat of a number that is not negative.

    Without a precision the digits are the fewest that read back the same; `g`
    then turns to an exponent below 1e-4 and from 1e6 on.
    """
    if precision is not None:
        return format(value, f".{precision}{verb}")
    digits, point = shortest_digits(value)
    if verb in "gG":
        verb = chr(ord(verb) - 2) if point <= -4 or point > 6 else "f"
    if verb in "eE":
        return f"{_with_point(digits, 1)}{verb}{point - 1:+03d}"
    return _with_point(digits, point)


def _with_point(digits: str, point: int) -> str:
    whole = digits[:point].ljust(point, "0") if point > 0 else "0"
    fraction = digits[point:] if point > 0 else "0" * -point + digits
    return f"{whole}.{fraction}" if fraction.strip("0") else whole


def binary_text(value: float, verb: str) -> str:
    """Return the number as mantissa and power of two: `4503599627370496p-52`, or `0x1p+00`."""
    if verb == "b":
        from math import frexp

        mantissa, exponent = frexp(value)
        return f"{int(mantissa * 2**53)}p{exponent - 53:+d}"
    digits, _, power = value.hex().partition("p")
    digits = digits.rstrip("0").rstrip(".") if value else "0x0"
    text = f"{digits}p{int(power):+03d}"
    return text.upper() if verb == "X" else text


def shortest_digits(value: float) -> tuple[str, int]:
    """Return the fewest digits that read back as the value, and where its point stands among them."""
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    stripped = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(stripped))
    digits = stripped.rstrip("0")
    return (digits, point) if digits else ("0", 1)
