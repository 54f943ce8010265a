"""JSON and times as Go writes them: what is hashed must be written as Docker writes it."""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.oci.compact_json import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

GO_ZERO_TIME = "0001-01-01T00:00:00Z"

_HTML_ESCAPES = (
    ("&", "\\u0026"),
    ("<", "\\u003c"),
    (">", "\\u003e"),
    ("\u2028", "\\u2028"),
    ("\u2029", "\\u2029"),
)

_LONG_ESCAPES = {"\\b": "\\u0008", "\\f": "\\u000c"}


def go_json(value: object) -> bytes:
    """Return compact JSON as Go's encoding/json writes it: UTF-8, HTML characters escaped."""
    text = dumps(value)
    if "\\b" in text or "\\f" in text:
        import re

        # Go knows these two only since 1.22; engine 20.10 was built with one before.
        text = re.sub(r"\\.", lambda escape: _LONG_ESCAPES.get(escape[0], escape[0]), text)
    return _escape_html(text).encode("utf-8", "replace")


def go_time(text: str) -> str:
    """Return an RFC 3339 time as Go formats it again: without zeros at the end of the fraction.

    An offset of nothing is Z. No time at all is Go's zero time.
    """
    if not text:
        return GO_ZERO_TIME
    if text.endswith(("+00:00", "-00:00")):
        text = f"{text[:-6]}Z"
    whole, dot, rest = text.partition(".")
    if not dot:
        return text
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    kept = digits[:9].rstrip("0")
    return f"{whole}{'.' if kept else ''}{kept}{rest[len(digits) :]}"


def raw_members(raw: bytes) -> dict[str, str]:
    """Return the members of a JSON object, each as the text it is written in.

    Go passes such text on unread (json.RawMessage), so numbers and escapes have
    to stay as they are. Raises Invalid for anything but an object in UTF-8.
    """
    try:
        return _members(raw.decode())
    except ValueError as error:
        raise Invalid(f"invalid image JSON: {error}") from None


def _members(text: str) -> dict[str, str]:
    from json import JSONDecoder

    decoder = JSONDecoder()
    members: dict[str, str] = {}
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise ValueError("not an object")
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        name, at = decoder.raw_decode(text, at)
        at = _skip(text, at)
        if not isinstance(name, str) or text[at : at + 1] != ":":
            raise ValueError("not an object")
        start = _skip(text, at + 1)
        _value, end = decoder.raw_decode(text, start)
        members[name] = text[start:end]
        at = _skip(text, end)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
    return members


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in _SPACE and at < len(text):
        at += 1
    return at


_SPACE = (" ", "\t", "\n", "\r")


def go_object(members: Mapping[str, str]) -> bytes:
    """Return an object of members that are JSON text, as Go marshals a map of raw messages.

    Keys are sorted; the text of values loses the space between its tokens.
    """
    body = ",".join(f"{go_json(name).decode()}:{_compact(members[name])}" for name in sorted(members))
    return f"{{{body}}}".encode()


def _compact(text: str) -> str:
    """Drop space outside strings, and escape HTML characters, which only strings can hold."""
    import re

    compact = re.sub(r'("(?:[^"\\]|\\.)*")|[ \t\n\r]+', lambda match: match[1] or "", text)
    return _escape_html(compact)


def _escape_html(text: str) -> str:
    for char, escape in _HTML_ESCAPES:
        text = text.replace(char, escape)
    return text
