"""Immutable value types that cost nothing to import.

`dataclasses` and `typing.NamedTuple` are the usual choice; importing either
takes longer than `ligan images` has in all (docs/decisions/0002-start-up.md).
Type checkers see `Value` as a frozen dataclass.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        return lambda cls: cls


class _ValueType(type):
    """Turns the annotations of a class body into slots and positional fields."""

    _fields: tuple[str, ...]
    _defaults: dict[str, Any]
    _setters: tuple[Callable[[object, Any], None], ...]

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _ValueType:
        own = tuple(namespace.get("__annotations__", ()))
        fields: tuple[str, ...] = ()
        defaults: dict[str, Any] = {}
        for base in bases:
            fields += getattr(base, "_fields", ())
            defaults |= getattr(base, "_defaults", {})
        fields += own
        defaults |= {field: namespace.pop(field) for field in own if field in namespace}
        namespace |= {
            "__slots__": own,
            "__match_args__": fields,
            "_fields": fields,
            "_defaults": defaults,
        }
        cls = super().__new__(mcs, name, bases, namespace)
        # A slot's own setter: __setattr__ is closed, and object's looks the name up anew each time.
        cls._setters = tuple([getattr(cls, field).__set__ for field in fields])
        return cls


@dataclass_transform(frozen_default=True)
class Value(metaclass=_ValueType):
    """Base of immutable records: compared, hashed and shown by their fields."""

    if not TYPE_CHECKING:

        def __init__(self, *args, **kwargs):
            setters = self._setters
            for setter, value in zip(setters, args, strict=False):
                setter(self, value)
            if len(args) == len(setters) and not kwargs:
                return
            fields = self._fields
            if len(args) > len(fields):
                raise TypeError(f"{type(self).__name__} takes {len(fields)} fields, got {len(args)}")
            for field, setter in zip(fields[len(args) :], setters[len(args) :], strict=True):
                if field in kwargs:
                    setter(self, kwargs.pop(field))
                elif field in self._defaults:
                    setter(self, self._defaults[field])
                else:
                    raise TypeError(f"{type(self).__name__} lacks the field {field!r}")
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__} has no field {next(iter(kwargs))!r}, or it came twice"
                )

        def __setattr__(self, name, _value=None):
            raise AttributeError(f"{type(self).__name__}.{name} cannot be changed: values are immutable")

        __delattr__ = __setattr__  # same message, same reason

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[Any]]) -> list[Self]:
        """Return a value for each row of all fields: in 0.5 us, where a call takes 1.2."""
        values = [object.__new__(cls) for _ in rows]
        if rows:
            for setter, column in zip(cls._setters, zip(*rows, strict=True), strict=True):
                any(map(setter, values, column))  # setters return None, so that `any` calls them all
        return values

    def _astuple(self) -> tuple[Any, ...]:
        return tuple([getattr(self, field) for field in type(self)._fields])

    def replace(self, **changes: Any) -> Self:
        """Return a copy in which the named fields differ."""
        return type(self)(**dict(zip(type(self)._fields, self._astuple(), strict=True)) | changes)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._astuple() == other._astuple()

    def __hash__(self) -> int:
        return hash((type(self), self._astuple()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{field}={getattr(self, field)!r}" for field in type(self)._fields)
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), self._astuple()
