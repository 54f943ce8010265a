"""Numbers and durations as text, in the ways of Go."""

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


def duration(nanoseconds: int) -> str:
    """Return a Go duration's text, such as `1h0m30s`, `1.5s` or `20µs`."""
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", int(nanoseconds))
    if rest < 1_000_000_000:
        for unit, size in (("ms", 1_000_000), ("µs", 1000), ("ns", 1)):
            if rest >= size:
                return f"{sign}{_decimal(rest, size)}{unit}"
        return "0s"
    minutes, rest = divmod(rest, 60_000_000_000)
    text = f"{_decimal(rest, 1_000_000_000)}s"
    if minutes:
        text = f"{minutes % 60}m{text}"
    return sign + (f"{minutes // 60}h{text}" if minutes >= 60 else text)


def _decimal(value: int, unit: int) -> str:
    whole, part = divmod(value, unit)
    fraction = str(part).rjust(len(str(unit)) - 1, "0").rstrip("0")
    return f"{whole}.{fraction}" if part else str(whole)
