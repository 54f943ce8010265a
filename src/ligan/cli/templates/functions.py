"""The functions that templates can call: Go's, and docker's own."""

from __future__ import annotations

from ligan.cli.templates import gofmt, gojson
from ligan.cli.templates.values import (
    NIL_POINTER,
    NO_VALUE,
    Byte,
    Int,
    Struct,
    from_bytes,
    go_type,
    is_true,
    kind,
    to_bytes,
    zero_element,
)
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class FunctionError(Exception):
    """A function refuses its arguments."""


class Function(Value):
    """A function and the Go types of its parameters; `rest` is the type of any further arguments.

    The types are string, []string, int, any (`interface {}`) and value (`reflect.Value`).
    """

    call: Callable[..., Any]
    parameters: tuple[str, ...]
    rest: str = ""


def _index(item: object, *indexes: object) -> object:
    if item is None or item is NO_VALUE:
        raise FunctionError("index of untyped nil")
    for index in indexes:
        item = _element(item, index)
    return item


def _element(item: object, index: object) -> object:
    shape = kind(item)
    if item is None or item is NIL_POINTER:
        raise FunctionError("index of nil pointer")
    if shape == "map":
        assert isinstance(item, dict)
        if index is None or index is NO_VALUE:
            raise FunctionError("value is nil; should be of type string")
        if type(index) is not str:
            raise FunctionError(f"value has type {go_type(index)}; should be string")
        return item[index] if index in item else zero_element(item)
    if isinstance(item, list):
        at = _position(index, len(item))
        if at == len(item):
            raise FunctionError("reflect: slice index out of range")
        return item[at]
    if isinstance(item, str) and shape == "string":
        data = to_bytes(item)
        at = _position(index, len(data))
        if at == len(data):
            raise FunctionError("reflect: string index out of range")
        return Byte(data[at])
    raise FunctionError(f"can't index item of type {go_type(item)}")


def _position(index: object, limit: int) -> int:
    if index is None or index is NO_VALUE:
        raise FunctionError("cannot index slice/array with nil")
    if kind(index) not in ("int", "uint") or not isinstance(index, int):
        raise FunctionError(f"cannot index slice/array with type {go_type(index)}")
    if not 0 <= index <= limit:
        raise FunctionError(f"index out of range: {int(index)}")
    return index


def _slice(item: object, *indexes: object) -> object:
    if item is None or item is NO_VALUE:
        raise FunctionError("slice of untyped nil")
    if len(indexes) > 3:
        raise FunctionError(f"too many slice indexes: {len(indexes)}")
    whole: Any
    if isinstance(item, str) and kind(item) == "string":
        if len(indexes) == 3:
            raise FunctionError("cannot 3-index slice a string")
        whole = to_bytes(item)
    elif isinstance(item, list):
        whole = item
    else:
        raise FunctionError(f"can't slice item of type {go_type(item)}")
    bounds = [_position(index, len(whole)) for index in indexes]
    low, high, limit = (bounds + [0, len(whole), len(whole)][len(bounds) :])[:3]
    if low > high:
        raise FunctionError(f"invalid slice index: {low} > {high}")
    if high > limit:
        raise FunctionError(f"invalid slice index: {high} > {limit}")
    part = whole[low:high]
    return from_bytes(part) if isinstance(part, bytes) else type(whole)(part)


def _len(item: object) -> Int:
    if item is None or item is NIL_POINTER:
        raise FunctionError("len of nil pointer")
    if item is NO_VALUE:
        raise FunctionError("reflect: call of reflect.Value.Type on zero Value")
    if isinstance(item, str) and kind(item) == "string":
        return Int(len(to_bytes(item)))
    if isinstance(item, (list, dict)) and not isinstance(item, Struct):
        return Int(len(item))
    raise FunctionError(f"len of type {go_type(item)}")


def _call(*_arguments: object) -> object:
    """Refuse: no value of a document is a function. The evaluator words the error."""
    raise FunctionError("")


def _equal(first: object, *others: object) -> bool:
    if not others:
        raise FunctionError("missing argument for comparison")
    shape = _basic(first)
    for other in others:
        if shape != _basic(other) and {shape, _basic(other)} != {"int", "uint"}:
            if not _is_nothing(first) and not _is_nothing(other):
                raise FunctionError("incompatible types for comparison")
        elif shape:
            if first == other:
                return True
        elif _is_nothing(first) or _is_nothing(other):
            if _is_nothing(first) and _is_nothing(other):
                return True
        else:
            _refuse_comparison(first, other)
    return False


def _refuse_comparison(first: object, other: object) -> None:
    if go_type(first) == go_type(other):
        raise FunctionError(f"non-comparable type {gofmt.default(first)}: {go_type(other)}")
    shown, other_shown = gofmt.default(first), gofmt.default(other)
    raise FunctionError(f"non-comparable types {shown}: {go_type(first)}, {go_type(other)}: {other_shown}")


def _is_nothing(value: object) -> bool:
    return value is None or value is NO_VALUE or value is NIL_POINTER


def _basic(value: object) -> str:
    """Return the kind of a value that can be compared, or an empty string."""
    shape = kind(value)
    return shape if shape in ("bool", "int", "uint", "float", "complex", "string") else ""


def _less(first: Any, second: Any) -> bool:
    shape, other = _basic(first), _basic(second)
    if not shape or not other:
        raise FunctionError("invalid type for comparison")
    if shape != other and {shape, other} != {"int", "uint"}:
        raise FunctionError("incompatible types for comparison")
    if shape in ("bool", "complex"):
        raise FunctionError("invalid type for comparison")
    if shape == "string":
        return to_bytes(first) < to_bytes(second)
    return bool(first < second)


def _less_or_equal(first: object, second: object) -> bool:
    return _less(first, second) or _equal(first, second)


def _text(arguments: tuple[object, ...]) -> str:
    return gofmt.sprint([NO_VALUE if argument is None else argument for argument in arguments])


_HTML = str.maketrans({"\0": "�", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"})
_JS = {code: f"\\u{code:04X}" for code in (*range(0x20), *map(ord, "<>&="))}
_JS |= {ord(char): "\\" + char for char in "\\'\""}


def _js(*arguments: object) -> str:
    escaped = _text(arguments).translate(_JS)
    return "".join([char if char.isprintable() else f"\\u{ord(char):04X}" for char in escaped])


_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


def _urlquery(*arguments: object) -> str:
    data = to_bytes(_text(arguments))
    return "".join(
        [chr(byte) if byte in _UNRESERVED else "+" if byte == 32 else f"%{byte:02X}" for byte in data]
    )


def _json(value: object) -> str:
    try:
        return gojson.encode(value).strip()
    except ValueError as error:
        raise FunctionError(str(error)) from None


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _join(elements: list[str] | None, separator: str) -> str:
    return separator.join(elements or ())


def _upper(text: str) -> str:
    return text.upper() if text.isascii() else "".join([_upper_character(char) for char in text])


def _upper_character(char: str) -> str:
    """Map one character to one: Go knows no upper case of `ß`."""
    upper, title = char.upper(), char.title()
    return upper if len(upper) == 1 else title if len(title) == 1 else char


def _lower(text: str) -> str:
    return "".join([char.lower()[0] for char in text])


def _title(text: str) -> str:
    parts: list[str] = []
    begins = True
    for char in text:
        parts.append(char.title() if begins and len(char.title()) == 1 else char)
        begins = not (char.isalnum() or char == "_") if char.isascii() else char.isspace()
    return "".join(parts)


def _pad(text: str, before: int, after: int) -> str:
    if not text:
        return ""
    if before < 0 or after < 0:
        raise FunctionError("strings: negative Repeat count")
    return " " * before + text + " " * after


def _truncate(text: str, length: int) -> str:
    data = to_bytes(text)
    if len(data) < length:
        return text
    if length < 0:
        raise FunctionError(f"runtime error: slice bounds out of range [:{length}]")
    return from_bytes(data[:length])


FUNCTIONS = {
    "and": Function(lambda *_arguments: None, ("value",), "value"),
    "call": Function(_call, ("value",), "value"),
    "eq": Function(_equal, ("value",), "value"),
    "ge": Function(lambda first, second: not _less(first, second), ("value", "value")),
    "gt": Function(lambda first, second: not _less_or_equal(first, second), ("value", "value")),
    "html": Function(lambda *arguments: _text(arguments).translate(_HTML), (), "any"),
    "index": Function(_index, ("value",), "value"),
    "join": Function(_join, ("[]string", "string")),
    "js": Function(_js, (), "any"),
    "json": Function(_json, ("any",)),
    "le": Function(_less_or_equal, ("value", "value")),
    "len": Function(_len, ("value",)),
    "lower": Function(_lower, ("string",)),
    "lt": Function(_less, ("value", "value")),
    "ne": Function(lambda first, second: not _equal(first, second), ("value", "value")),
    "not": Function(lambda argument: not is_true(argument), ("value",)),
    "or": Function(lambda *_arguments: None, ("value",), "value"),
    "pad": Function(_pad, ("string", "int", "int")),
    "print": Function(lambda *arguments: gofmt.sprint(list(arguments)), (), "any"),
    "printf": Function(lambda text, *operands: gofmt.sprintf(text, list(operands)), ("string",), "any"),
    "println": Function(lambda *arguments: gofmt.sprintln(list(arguments)), (), "any"),
    "slice": Function(_slice, ("value",), "value"),
    "split": Function(_split, ("string", "string")),
    "title": Function(_title, ("string",)),
    "truncate": Function(_truncate, ("string", "int")),
    "upper": Function(_upper, ("string",)),
    "urlquery": Function(_urlquery, (), "any"),
}

# The header of a table goes through the row's template; these leave it as it is.
HEADER_FUNCTIONS = FUNCTIONS | {
    "join": Function(lambda text, _separator: text, ("string", "string")),
    "json": Function(lambda text: text, ("string",)),
    "lower": Function(lambda text: text, ("string",)),
    "split": Function(lambda text, _separator: text, ("string", "string")),
    "title": Function(lambda text: text, ("string",)),
    "truncate": Function(lambda text, _length: text, ("string", "int")),
    "upper": Function(lambda text: text, ("string",)),
}
