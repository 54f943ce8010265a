"""`RUN --mount=…`: what is mounted for one step.

Source: engine 20.10 and BuildKit, frontend/dockerfile/instructions. 20.10
reads them too, before it says that it cannot do any.
"""

from __future__ import annotations

import re

from ligan.dockerfile.faults import quoted
from ligan.dockerfile.flags import suggestion
from ligan.errors import Invalid
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_TYPES = ("bind", "cache", "secret", "ssh", "tmpfs")
_SHARING = ("locked", "private", "shared")
_PLAIN = {
    "from": "base",
    "source": "source",
    "src": "source",
    "target": "target",
    "dst": "target",
    "destination": "target",
    "id": "id",
}
_CLASSIC_KEYS = (
    *_PLAIN,
    "type",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "required",
    "sharing",
    "mode",
    "uid",
    "gid",
)
_MODERN_KEYS = (*_CLASSIC_KEYS, "size", "env")


class Mount(Value):
    """One mount. `base` is a stage, image or context, `size` in bytes; None is what was not said."""

    type: str = "bind"
    base: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = True
    size: int = 0
    id: str = ""
    sharing: str = ""
    required: bool = False
    env: str | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


def check_mount(text: str, *, classic: bool) -> None:
    """Raise Invalid for a mount that no build would begin with; BuildKit reads most of it later."""
    if classic:
        parse_mount(text, None, classic=True)
        return
    for field in _fields(text):
        key, equals, value = field.partition("=")
        if equals and key.lower() == "from" and "$" in value[:-1]:
            raise Invalid("'from' doesn't support variable expansion, define alias stage instead")


def parse_mount(text: str, expand: Callable[[str], str] | None, *, classic: bool = False) -> Mount:
    """Return the mount, its values expanded. Raises Invalid."""
    found: dict[str, Any] = {"type": "bind"}
    for field in _fields(text):
        key, equals, value = field.partition("=")
        key = key.lower()
        if not equals:
            _apply_bare(found, key, field)
            continue
        value = expand(value) if expand else value
        if key not in (_CLASSIC_KEYS if classic else _MODERN_KEYS):
            hint = "" if classic else suggestion(key, _MODERN_KEYS)
            raise Invalid(f"unexpected key '{key}' in '{field}'{hint}")
        _apply(found, key, value, classic=classic)
    _check_together(found)
    found.setdefault("read_only", found["type"] not in ("cache", "tmpfs"))
    return Mount(**found)


def _apply_bare(found: dict[str, Any], key: str, field: str) -> None:
    if key in ("readonly", "ro", "readwrite", "rw"):
        found["read_only"] = key in ("readonly", "ro")
    elif key == "required":
        _require_type(found, key, "secret", "ssh")
        found["required"] = True
    else:
        raise Invalid(f"invalid field '{field}' must be a key=value pair")


def _apply(found: dict[str, Any], key: str, value: str, *, classic: bool) -> None:
    if key in _PLAIN:
        found[_PLAIN[key]] = value
    elif key == "type":
        if value.lower() not in _TYPES:
            hint = "" if classic else suggestion(value, _TYPES)
            raise Invalid(f"unsupported mount type {quoted(value)}{hint}")
        found["type"] = value.lower()
    elif key == "sharing":
        if value.lower() not in _SHARING:
            hint = "" if classic else suggestion(value, _SHARING)
            raise Invalid(f"unsupported sharing value {quoted(value)}{hint}")
        found["sharing"] = value.lower()
    elif key in ("readonly", "ro"):
        found["read_only"] = _boolean(key, value)
    elif key in ("readwrite", "rw"):
        found["read_only"] = not _boolean(key, value)
    elif key == "required":
        _require_type(found, key, "secret", "ssh")
        found["required"] = _boolean(key, value)
    elif key == "env":
        found["env"] = value
    elif key == "size":
        _require_type(found, key, "tmpfs")
        found["size"] = _size(value)
    else:
        found[key] = _number(key, value)


def _require_type(found: dict[str, Any], key: str, *types: str) -> None:
    if found["type"] not in types:
        raise Invalid(f"unexpected key '{key}' for mount type '{found['type']}'")


def _check_together(found: dict[str, Any]) -> None:
    kind = found["type"]
    if kind not in ("secret", "ssh", "cache"):
        for key in ("mode", "uid", "gid"):
            if key in found:
                raise Invalid(f"{key} not allowed for {quoted(kind)} type mounts")
    if kind == "secret":
        if found.get("base"):
            raise Invalid("secret mount should not have a from")
        if found.get("sharing"):
            raise Invalid("secret mount should not define sharing")
        if not any(found.get(key) for key in ("source", "target", "id")):
            raise Invalid("invalid secret mount. one of source, target required")
        if found.get("source") and found.get("id"):
            raise Invalid("both source and id can't be set")
    if found.get("sharing") and kind != "cache":
        raise Invalid(f"invalid cache sharing set for {kind} mount")


BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
"""What Go's strconv.ParseBool takes."""


def _boolean(key: str, value: str) -> bool:
    if value not in BOOLEANS:
        raise Invalid(f"invalid value for {key}: {value}")
    return BOOLEANS[value]


def _number(key: str, value: str) -> int:
    base, digits = (8, "[0-7]") if key == "mode" else (10, "[0-9]")
    number = int(value, base) if re.fullmatch(f"{digits}{{1,30}}", value) else 1 << 32
    if number >= 1 << 32:
        raise Invalid(f"invalid value {value} for {key}")
    return number


def _size(value: str) -> int:
    """Return the bytes of `64m` or `1.5GiB` (go-units, RAMInBytes)."""
    match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) ?(?:([kmgtp])?i?b?)", value, re.IGNORECASE)
    if match is None:
        raise Invalid(f"invalid value for size: {value}")
    return int(float(match[1]) * 1024 ** (" kmgtp".index(match[2].lower()) if match[2] else 0))


def _fields(text: str) -> list[str]:
    """Return the fields of a line of comma-separated values, with Go's words for one that is not."""
    if not text:
        raise _bad_csv("EOF")
    fields: list[str] = []
    at = 0
    while True:
        if not text.startswith('"', at):
            end = text.find(",", at)
            field = text[at:end] if end >= 0 else text[at:]
            if '"' in field:
                column = at + field.index('"') + 1
                raise _bad_csv(f'parse error on line 1, column {column}: bare " in non-quoted field')
            fields.append(field)
        else:
            match = re.compile(r'"((?:[^"]|"")*)"').match(text, at)
            if match is None:
                raise _bad_csv(
                    f'parse error on line 1, column {len(text) + 1}: extraneous or missing " in quoted-field'
                )
            fields.append(match[1].replace('""', '"'))
            end = match.end()
            if end == len(text):
                return fields
            if text[end] != ",":
                raise _bad_csv(
                    f'parse error on line 1, column {end}: extraneous or missing " in quoted-field'
                )
        if end < 0:
            return fields
        at = end + 1


def _bad_csv(fault: str) -> Invalid:
    return Invalid(f"failed to parse csv mounts: {fault}")
