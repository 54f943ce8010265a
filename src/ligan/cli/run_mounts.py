"""`--mount` of `run` and `create`, read as docker's client reads it (docker 28, cli/opts/mount.go)."""

from __future__ import annotations

import os

from ligan.cli.run_values import byte_count, fields, pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

_KEYS = {
    "type": "Type",
    "source": "Source",
    "src": "Source",
    "target": "Target",
    "dst": "Target",
    "destination": "Target",
    "consistency": "Consistency",
}
_OPTIONS = {"bind": "BindOptions", "volume": "VolumeOptions", "tmpfs": "TmpfsOptions"}


def mount(spec: str) -> Document:
    """Return an entry of HostConfig.Mounts of a --mount. Raises ValueError in the client's words."""
    found: Document = {"Type": "volume", "Source": "", "Target": ""}
    for field in fields(spec):
        key, equals, value = field.partition("=")
        key = key.lower()
        if key in ("readonly", "ro", "volume-nocopy", "bind-nonrecursive") and not equals:
            value = "true"
        elif not equals:
            raise ValueError(f"invalid field '{field}' must be a key=value pair")
        _set(found, key, value)
    if not found["Type"]:
        raise ValueError("type is required")
    if not found["Target"]:
        raise ValueError("target is required")
    for kind, options in _OPTIONS.items():
        if options in found and kind != found["Type"]:
            raise ValueError(f"cannot mix '{kind}-*' options with mount type '{found['Type']}'")
    _check_recursion(found)
    if found["Type"] == "bind" and found["Source"].startswith("."):
        found["Source"] = os.path.abspath(found["Source"])
    return found


def _check_recursion(found: Document) -> None:
    """Raise ValueError where the ways in which mounts below are to be read-only do not fit together."""
    mode = found.get("BindOptions", {}).pop("Recursive", "")
    if mode in ("writable", "readonly"):
        if not found.get("ReadOnly"):
            raise ValueError(
                f"option 'bind-recursive={mode}' requires 'readonly' to be specified in conjunction"
            )
        if mode == "readonly":
            raise ValueError("bind-recursive=readonly requires API v1.44 or later")


def _set(found: Document, key: str, value: str) -> None:
    if key in _KEYS:
        found[_KEYS[key]] = value.lower() if key == "type" else value
    elif key in ("readonly", "ro"):
        found["ReadOnly"] = _switch(key, value)
    elif key.startswith("bind-"):
        _set_bind(found.setdefault("BindOptions", {}), key, value)
    elif key.startswith("volume-"):
        _set_volume(found.setdefault("VolumeOptions", {}), key, value)
    elif key == "tmpfs-size":
        try:
            found.setdefault("TmpfsOptions", {})["SizeBytes"] = byte_count(value)
        except ValueError:
            raise ValueError(f"invalid value for {key}: {value}") from None
    elif key == "tmpfs-mode":
        if not value or value.strip("01234567"):
            raise ValueError(f"invalid value for {key}: {value}")
        found.setdefault("TmpfsOptions", {})["Mode"] = int(value, 8)
    else:
        raise _unexpected(key, value)


def _set_bind(options: Document, key: str, value: str) -> None:
    if key == "bind-propagation":
        options["Propagation"] = value.lower()
    elif key == "bind-nonrecursive":
        options["NonRecursive"] = _switch(key, value)
    elif key == "bind-recursive":
        if value not in ("enabled", "disabled", "writable", "readonly"):
            raise ValueError(
                f'invalid value for {key}: {value} (must be "enabled", "disabled", "writable", or "readonly")'
            )
        options["Recursive"] = value
        if value == "disabled":
            options["NonRecursive"] = True
    else:
        raise _unexpected(key, value)


def _set_volume(options: Document, key: str, value: str) -> None:
    if key == "volume-nocopy":
        options["NoCopy"] = _switch(key, value)
    elif key == "volume-label":
        options.setdefault("Labels", {}).update(pairs([value]))
    elif key == "volume-driver":
        options.setdefault("DriverConfig", {})["Name"] = value
    elif key == "volume-opt":
        options.setdefault("DriverConfig", {}).setdefault("Options", {}).update(pairs([value]))
    else:
        raise _unexpected(key, value)


def _unexpected(key: str, value: str) -> ValueError:
    return ValueError(f"unexpected key '{key}' in '{key}={value}'")


def _switch(key: str, value: str) -> bool:
    if value.lower() not in ("1", "t", "true", "0", "f", "false"):
        raise ValueError(f"invalid value for {key}: {value}")
    return value.lower() in ("1", "t", "true")
