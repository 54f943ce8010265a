"""What Go tells apart and JSON does not: the types of the values that templates print.

A document for a template is made of `dict`, `list`, `str`, `int`, `float`,
`bool` and `None`, taken for Go's maps, slices, strings, int64, float64 and nil.
The types here are for what prints or fails differently.

A pointer to a struct inside a struct prints as an address in Go; here it prints
as the struct it points to.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from typing import Any


class Struct(dict[str, object]):
    """A Go struct: fields keep their order, and naming an unknown one is an error.

    A field that is `None` is a nil pointer. A field may be a function without
    arguments; it is then called when it is named, as Go calls a method. In JSON
    the fields of `renamed` have another name, and those of `optional` are left
    out when they are empty.
    """

    __slots__ = ("go_type", "optional", "renamed")

    def __init__(
        self,
        fields: Mapping[str, Any],
        go_type: str = "struct {}",
        optional: Container[str] = (),
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(fields)
        self.go_type = go_type
        self.optional = optional
        self.renamed = renamed or {}


class Row(Struct):
    """A row of a listing: a Struct whose JSON has sorted keys, and `<`, `>` and `&` escaped.

    That is how docker's listings marshal their rows (golden a_dangling_rebuild),
    other than its `json` function does with everything else (golden
    g_inspect_format).
    """

    __slots__ = ()


class RawMap(dict[str, object]):
    """A JSON object decoded without a type, Go's `map[string]interface {}`."""

    __slots__ = ()


class RawList(list[object]):
    """A JSON array decoded without a type, Go's `[]interface {}`."""

    __slots__ = ()


class Number(str):
    """A JSON number decoded without a type: Go keeps its digits, as a kind of string."""

    __slots__ = ()


class NilMap(dict[str, object]):
    """A nil map of a struct: empty, prints `map[]`, and is `null` in JSON."""

    __slots__ = ()


class NilList(list[object]):
    """A nil slice of a struct: empty, prints `[]`, and is `null` in JSON."""

    __slots__ = ()


class Duration(int):
    """A time.Duration in nanoseconds: prints `1m30s`, and is a number in JSON."""

    __slots__ = ()


class Time(str):
    """A time.Time, given in RFC 3339 and UTC: prints `2006-01-02 15:04:05 +0000 UTC`."""

    __slots__ = ()

    def printed(self) -> str:
        return self.replace("T", " ").replace("Z", " +0000 UTC")


class Int(int):
    """A Go int: a number written in a template, a length, an index."""

    __slots__ = ()


class Byte(int):
    """A Go uint8: a string indexed."""

    __slots__ = ()


class _Sentinel:
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


NO_VALUE = _Sentinel("<no value>")  # the answer of a map that lacks the key
NIL_POINTER = _Sentinel("<nil>")  # a struct's field that points nowhere

_SCALARS = {
    bool: ("bool", "bool"),
    Int: ("int", "int"),
    int: ("int64", "int"),
    Duration: ("time.Duration", "int"),
    Byte: ("uint8", "uint"),
    float: ("float64", "float"),
    complex: ("complex128", "complex"),
    str: ("string", "string"),
    Number: ("json.Number", "string"),
    Time: ("time.Time", "struct"),
    RawMap: ("map[string]interface {}", "map"),
    RawList: ("[]interface {}", "list"),
}


def go_type(value: object) -> str:
    """Return the name of the value's Go type, as `%T` prints it.

    A plain list or dict is taken for one of strings when it holds nothing else.
    """
    known = _SCALARS.get(type(value))
    if known:
        return known[0]
    if isinstance(value, Struct):
        return value.go_type
    if isinstance(value, list):
        return "[]" + _element_type(value)
    if isinstance(value, dict):
        return "map[string]" + _element_type(value.values())
    return "<nil>"


def kind(value: object) -> str:
    """Return bool, int, uint, float, complex, string, list, map, struct or nil."""
    known = _SCALARS.get(type(value))
    if known:
        return known[1]
    if isinstance(value, Struct):
        return "struct"
    if isinstance(value, list):
        return "list"
    return "map" if isinstance(value, dict) else "nil"


def zero_element(container: dict[str, object]) -> object:
    """Return what Go's `index` answers for a key that the map lacks."""
    if type(container) is RawMap:
        return None
    if container and all(isinstance(element, Struct) for element in container.values()):
        return Struct({})
    return "" if _element_type(container.values()) == "string" else None


def is_true(value: object) -> bool:
    """Return whether `if` takes the value for true: structs always, else what is not empty."""
    return isinstance(value, (Struct, Time)) or (not isinstance(value, _Sentinel) and bool(value))


def _element_type(elements: Iterable[object]) -> str:
    return "string" if all(isinstance(element, str) for element in elements) else "interface {}"


def to_bytes(text: str) -> bytes:
    """Return the bytes that Go would hold for the text; stray bytes are kept as lone surrogates."""
    return text.encode("utf-8", "surrogateescape")


def from_bytes(data: bytes) -> str:
    """Undo `to_bytes`."""
    return data.decode("utf-8", "surrogateescape")
