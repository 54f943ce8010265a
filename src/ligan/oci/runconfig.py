"""The run settings of an image in the fields and order of Docker's Go structs.

Source: engine 20.10, api/types/container.Config and image.V1Image. Bytes that
Docker derives from a config (v1 IDs, configs that it makes) come out of these
structs, so keys that they do not know are dropped and absent ones filled in.
"""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.oci.gojson import go_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    _Fields = tuple[tuple[str, Callable[[Any, str], object], int], ...]


ENGINE_VERSION = "20.10.24"
"""The engine whose configs are made; `docker_version` in them."""


def _string(value: Any, name: str) -> str:
    return _of(value, str, name) or ""


def _boolean(value: Any, name: str) -> bool:
    return _of(value, bool, name) or False


def _integer(value: Any, name: str) -> int:
    if isinstance(value, bool):
        raise _mismatch(value, name)
    return _of(value, int, name) or 0


def _strings(value: Any, name: str) -> list[str] | None:
    items: list[Any] | None = _of(value, list, name)
    return None if items is None else [_string(item, name) for item in items]


def _words(value: Any, name: str) -> list[str] | None:
    """A command: one string stands for a list of one (engine 20.10, api/types/strslice)."""
    return [value] if isinstance(value, str) else _strings(value, name)


def _set(value: Any, name: str) -> dict[str, dict[str, str]] | None:
    names: dict[str, Any] | None = _of(value, dict, name)
    return None if names is None else {key: {} for key in sorted(names)}


def _map(value: Any, name: str) -> dict[str, str] | None:
    items: dict[str, Any] | None = _of(value, dict, name)
    return None if items is None else {key: _string(items[key], name) for key in sorted(items)}


def _optional_integer(value: Any, name: str) -> int | None:
    return None if value is None else _integer(value, name)


def _health(value: Any, name: str) -> dict[str, object] | None:
    check: dict[str, Any] | None = _of(value, dict, name)
    return None if check is None else _struct(check, _HEALTH, name)


def _of(value: Any, kind: type, name: str) -> Any:
    if value is not None and not isinstance(value, kind):
        raise _mismatch(value, name)
    return value


def _mismatch(value: object, name: str) -> Invalid:
    return Invalid(f"invalid image JSON: {name} cannot be {value!r:.40}")


_ALWAYS, _UNLESS_EMPTY, _UNLESS_NIL = range(3)  # when Go writes a field; the last is for pointers

_HEALTH: _Fields = (
    ("Test", _strings, _UNLESS_EMPTY),
    ("Interval", _integer, _UNLESS_EMPTY),
    ("Timeout", _integer, _UNLESS_EMPTY),
    ("StartPeriod", _integer, _UNLESS_EMPTY),
    ("Retries", _integer, _UNLESS_EMPTY),
)
_RUN_CONFIG: _Fields = (
    ("Hostname", _string, _ALWAYS),
    ("Domainname", _string, _ALWAYS),
    ("User", _string, _ALWAYS),
    ("AttachStdin", _boolean, _ALWAYS),
    ("AttachStdout", _boolean, _ALWAYS),
    ("AttachStderr", _boolean, _ALWAYS),
    ("ExposedPorts", _set, _UNLESS_EMPTY),
    ("Tty", _boolean, _ALWAYS),
    ("OpenStdin", _boolean, _ALWAYS),
    ("StdinOnce", _boolean, _ALWAYS),
    ("Env", _strings, _ALWAYS),
    ("Cmd", _words, _ALWAYS),
    ("Healthcheck", _health, _UNLESS_NIL),
    ("ArgsEscaped", _boolean, _UNLESS_EMPTY),
    ("Image", _string, _ALWAYS),
    ("Volumes", _set, _ALWAYS),
    ("WorkingDir", _string, _ALWAYS),
    ("Entrypoint", _words, _ALWAYS),
    ("NetworkDisabled", _boolean, _UNLESS_EMPTY),
    ("MacAddress", _string, _UNLESS_EMPTY),
    ("OnBuild", _strings, _ALWAYS),
    ("Labels", _map, _ALWAYS),
    ("StopSignal", _string, _UNLESS_EMPTY),
    ("StopTimeout", _optional_integer, _UNLESS_NIL),
    ("Shell", _words, _UNLESS_EMPTY),
)


def _struct(document: Mapping[str, Any], fields: _Fields, path: str) -> dict[str, object]:
    values = [(name, read(document.get(name), f"{path}.{name}"), when) for name, read, when in fields]
    return {
        name: value
        for name, value, when in values
        if value or when == _ALWAYS or (when == _UNLESS_NIL and value is not None)
    }


def run_config(document: object, path: str = "config") -> dict[str, object]:
    """Return the run settings as Docker marshals them. Raises Invalid for a value of the wrong kind."""
    return _struct(_of(document, dict, path) or {}, _RUN_CONFIG, path)


def v1_image(document: Mapping[str, Any]) -> dict[str, object]:
    """Return the v1 image of a config, in Docker's order and without ID and parent."""
    config = document.get("config")
    image: dict[str, object] = {
        "comment": _string(document.get("comment"), "comment"),
        "created": go_time(_string(document.get("created"), "created")),
        "container": _string(document.get("container"), "container"),
        "container_config": run_config(document.get("container_config"), "container_config"),
        "docker_version": _string(document.get("docker_version"), "docker_version"),
        "author": _string(document.get("author"), "author"),
        "config": None if config is None else run_config(config),
        "architecture": _string(document.get("architecture"), "architecture"),
        "variant": _string(document.get("variant"), "variant"),
        "os": _string(document.get("os"), "os"),
        "Size": _integer(document.get("Size"), "Size"),
    }
    return {name: value for name, value in image.items() if value or name in ("created", "container_config")}
