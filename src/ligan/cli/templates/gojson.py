"""JSON as Go's encoding/json writes it."""

from __future__ import annotations

from ligan.cli.tables import Method
from ligan.cli.templates.numbers import float_text
from ligan.cli.templates.values import (
    NIL_POINTER,
    NO_VALUE,
    NilList,
    NilMap,
    Number,
    Row,
    Struct,
    go_type,
    to_bytes,
)

_ESCAPES = {code: f"\\u{code:04x}" for code in range(0x20)}
_ESCAPES |= {ord(char): f"\\{letter}" for char, letter in zip('"\\\b\f\n\r\t', '"\\bfnrt', strict=True)}
_ESCAPES |= {code: f"\\u{code:04x}" for code in (0x2028, 0x2029)}
_ESCAPES |= dict.fromkeys(range(0xD800, 0xE000), "\\ufffd")
_HTML_ESCAPES = _ESCAPES | {ord(char): f"\\u{ord(char):04x}" for char in "<>&"}


def encode(value: object, *, html: bool = False) -> str:
    """Return compact JSON.

    Maps have sorted keys, and structs their fields in order. `<`, `>` and `&`
    are escaped when `html` is set, and in a Row always.
    """
    if isinstance(value, Number):
        return value
    if isinstance(value, str):
        return '"' + value.translate(_HTML_ESCAPES if html else _ESCAPES) + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _encode_float(value)
    if value is None or value is NO_VALUE or value is NIL_POINTER or isinstance(value, (NilList, NilMap)):
        return "null"
    if isinstance(value, dict):
        return _encode_object(value, html or isinstance(value, Row))
    if isinstance(value, list):
        return f"[{','.join([encode(element, html=html) for element in value])}]"
    raise ValueError(f"json: unsupported type: {go_type(value)}")


def _encode_object(value: dict[str, object], html: bool) -> str:
    struct = value if isinstance(value, Struct) else None
    members = []
    for name in sorted(value, key=to_bytes) if struct is None or isinstance(value, Row) else value:
        member = value[name]
        if struct is not None:
            if isinstance(member, Method):
                continue
            if callable(member):
                member = member()
            if not member and name in struct.optional:
                continue
            name = struct.renamed.get(name, name)
        members.append(f"{encode(name, html=html)}:{encode(member, html=html)}")
    return f"{{{','.join(members)}}}"


def _encode_float(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(
            f"json: unsupported value: {'NaN' if value != value else '+Inf' if value > 0 else '-Inf'}"
        )
    size = abs(value)
    exponential = size != 0 and (size < 1e-6 or size >= 1e21)
    text = float_text(size, "e" if exponential else "f", None)
    if exponential and text[-4:-1] == "e-0":
        text = text[:-2] + text[-1]
    return "-" + text if str(value)[0] == "-" else text
