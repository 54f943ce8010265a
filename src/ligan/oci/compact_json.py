"""JSON by the half of the standard library that is in C: `loads` and `dumps`, as `json` has them.

The other half imports `re`, enums and `collections` for what these two do without: 9 ms of each `run`
(docs/decisions/0002-start-up.md).
"""

from __future__ import annotations

import _json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SPACE = " \t\n\r"


def _refuse_constant(name: str) -> None:
    """Python would take NaN and Infinity, which are not JSON."""
    raise ValueError(f"{name} is not a value")


class _Settings:
    """What json.JSONDecoder tells its scanner."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse_constant)


def _default(value: object) -> object:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_scan = _json.make_scanner(_Settings())  # type: ignore[arg-type]  # what it reads of a decoder
# Markers, default, strings, indent, the two marks, then: keys are not sorted nor skipped, no NaN.
_encode = _json.make_encoder(None, _default, _json.encode_basestring, None, ":", ",", False, False, False)


def loads(text: str) -> Any:
    """Return the value of JSON. Raises ValueError, and RecursionError for what is nested too deeply."""
    try:
        value, end = _scan(text, len(text) - len(text.lstrip(_SPACE)))
    except StopIteration:
        end = -1
    if end < 0 or text[end:].strip(_SPACE):
        import json

        return json.loads(text)  # says what is wrong with it
    return value


def dumps(value: object) -> str:
    """Return JSON without spaces, its characters as they are."""
    return "".join(_encode(value, 0)) if not isinstance(value, str) else _json.encode_basestring(value)
