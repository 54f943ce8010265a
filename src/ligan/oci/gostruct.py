"""Documents in the fields, order and kinds of Go's structs: what Docker reads and marshals again.

A table names the fields of a struct, how each is read, and when Go writes it. Keys that a table does not
know are dropped and absent ones filled in, as when Go decodes and encodes.
"""

from __future__ import annotations

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Reader = Callable[[Any, str], object]
    Fields = tuple[tuple[str, Reader, int], ...]

ALWAYS, UNLESS_EMPTY, UNLESS_NIL = range(3)
"""When Go writes a field; the last is for pointers."""


def string(value: Any, name: str) -> str:
    return of(value, str, name) or ""


def boolean(value: Any, name: str) -> bool:
    return of(value, bool, name) or False


def integer(value: Any, name: str) -> int:
    number: int = of(value, int, name) or 0
    if isinstance(value, bool) or not -1 << 63 <= number < 1 << 63:
        raise mismatch(value, name)
    return number


def strings(value: Any, name: str) -> list[str] | None:
    items: list[Any] | None = of(value, list, name)
    return None if items is None else [string(item, name) for item in items]


def words(value: Any, name: str) -> list[str] | None:
    """A command: one string stands for a list of one (engine 20.10, api/types/strslice)."""
    return [value] if isinstance(value, str) else strings(value, name)


def names(value: Any, name: str) -> dict[str, dict[str, str]] | None:
    """A set: a map of names to empty objects."""
    items: dict[str, Any] | None = of(value, dict, name)
    return None if items is None else {key: {} for key in sorted(items)}


def mapping(value: Any, name: str) -> dict[str, str] | None:
    items: dict[str, Any] | None = of(value, dict, name)
    return None if items is None else {key: string(items[key], name) for key in sorted(items)}


def optional_integer(value: Any, name: str) -> int | None:
    return None if value is None else integer(value, name)


def optional_boolean(value: Any, name: str) -> bool | None:
    return None if value is None else boolean(value, name)


def of(value: Any, kind: type, name: str) -> Any:
    """Return the value if it is of the kind, or null. Raises Invalid, naming the field."""
    if value is not None and not isinstance(value, kind):
        raise mismatch(value, name)
    return value


def mismatch(value: object, name: str) -> Invalid:
    return Invalid(f"{name} cannot be {value!r:.40}")


def struct(document: Mapping[str, Any], fields: Fields, path: str) -> dict[str, Any]:
    """Return the document as Go marshals the struct. Raises Invalid for a value of the wrong kind."""
    values = [(name, read(document.get(name), f"{path}.{name}"), when) for name, read, when in fields]
    return {
        name: value
        for name, value, when in values
        if value or when == ALWAYS or (when == UNLESS_NIL and value is not None)
    }


def pointer_to(fields: Fields) -> Reader:
    """Return a reader of a struct that may be null."""

    def read(value: Any, name: str) -> dict[str, Any] | None:
        document: dict[str, Any] | None = of(value, dict, name)
        return None if document is None else struct(document, fields, name)

    return read


def embedded(fields: Fields) -> Callable[[Any, str], dict[str, Any]]:
    """Return a reader of a struct that is there even where the document has none."""

    def read(value: Any, name: str) -> dict[str, Any]:
        return struct(of(value, dict, name) or {}, fields, name)

    return read


def list_of(read_item: Reader) -> Reader:
    """Return a reader of a list, which may be null."""

    def read(value: Any, name: str) -> list[object] | None:
        items: list[Any] | None = of(value, list, name)
        return None if items is None else [read_item(item, name) for item in items]

    return read


def map_of(read_item: Reader) -> Reader:
    """Return a reader of a map, which may be null; Go sorts its keys."""

    def read(value: Any, name: str) -> dict[str, object] | None:
        items: dict[str, Any] | None = of(value, dict, name)
        return None if items is None else {key: read_item(items[key], name) for key in sorted(items)}

    return read
