"""Where the store is and how long it keeps what is deleted: environment and settings file.

Settings are undo_window ("24h"), undo_disk_limit ("80%" or 0.8), undo_budget
("20GB"), max_layer_size, keep_compressed (true), bridge (true: containers have the
default network), storage_driver ("erofs", "overlay" or "vfs"), insecure_registries and
registry_mirrors (lists), in /etc/ligan/config.toml for root and
$XDG_CONFIG_HOME/ligan/config.toml for others. LIGAN_UNDO_WINDOW and so on win.
"""

from __future__ import annotations

import os

from ligan.cli.output import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ligan.remote.endpoint import RemoteSettings
    from ligan.store.store import Policy

    _Setting = tuple[str, Callable[[object], Any]]

ROOTLESS_UID = "LIGAN_ROOTLESS_UID"
"""Set for what a command in a store's user namespace starts: the user's own ID, not to be seen from there."""

SYSTEM_ROOT = "/var/lib/ligan"
SYSTEM_FILE = "/etc/ligan/config.toml"


def root_folder(option: str, environ: Mapping[str, str]) -> str:
    """Return the store's folder: the option, else LIGAN_ROOT, else the one of this user."""
    root = option or environ.get("LIGAN_ROOT", "")
    if not root:
        root = (
            SYSTEM_ROOT if _is_root(environ) else f"{_home(environ, 'XDG_DATA_HOME', '.local/share')}/ligan"
        )
    return os.path.abspath(root)


def settings_file(environ: Mapping[str, str]) -> str:
    """Return the path of this user's settings file, which need not exist."""
    return (
        SYSTEM_FILE
        if _is_root(environ)
        else f"{_home(environ, 'XDG_CONFIG_HOME', '.config')}/ligan/config.toml"
    )


def read_policy(environ: Mapping[str, str]) -> Policy:
    """Return the settings in force. Raises Failure that names the file or variable, and the key."""
    from ligan.store.store import Policy

    return Policy(**_fields(environ, _KEYS))


def read_remote(environ: Mapping[str, str]) -> RemoteSettings:
    """Return how registries are spoken to. Raises Failure as read_policy does.

    Proxies are those of the environment, as for every Go program; config.json is docker's. Certificates
    are docker's too, and those in the folder certs.d beside each settings file, by the same rules.
    """
    from ligan import __version__
    from ligan.remote.endpoint import RemoteSettings

    proxies: dict[str, Any] = {
        name: environ.get(name.upper()) or environ.get(name, "")
        for name in ("http_proxy", "https_proxy", "no_proxy")
    }
    docker = environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    places = ["/etc"] if _is_root(environ) else ["/etc", _home(environ, "XDG_CONFIG_HOME", ".config")]
    folders = [f"{place}/{program}/certs.d" for place in places for program in ("docker", "ligan")]
    return RemoteSettings(
        **_fields(environ, _REMOTE_KEYS),
        **proxies,
        certificate_folders=tuple(folders),
        docker_config=os.path.join(docker, "config.json"),
        user_agent=f"ligan/{__version__}",
    )


def _fields(environ: Mapping[str, str], keys: Mapping[str, _Setting]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    path = settings_file(environ)
    if os.path.exists(path):
        values = _read_file(path)
    fields: dict[str, Any] = {}
    for key, (field, parse) in keys.items():
        variable = f"LIGAN_{key.upper()}"
        origin, value = (
            (variable, environ[variable]) if environ.get(variable) else (f"{path}: {key}", values.get(key))
        )
        if value is None:
            continue
        try:
            fields[field] = parse(value)
        except ValueError as error:
            raise Failure(f"{origin}: {error}") from None
    return fields


def _read_file(path: str) -> dict[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Failure(f"{path}: {reason}") from None
    for key in values:
        if key not in _KEYS and key not in _REMOTE_KEYS:
            known = ", ".join([*_KEYS, *_REMOTE_KEYS])
            raise Failure(f"{path}: unknown setting {key}; known are {known}")
    return values


_LONGEST = 200 * 366 * 86400.0  # nanoseconds have to fit into 64 bits, and so has the time after them
_MOST = (1 << 63) - 1
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_POWERS = ("", "k", "m", "g", "t", "p")


def read_duration(value: object) -> int:
    """Return nanoseconds: a number with a unit, several of them, or 0."""
    text = str(value).strip()
    total, number = 0.0, ""
    for char in text:
        if char.isdigit() or char == ".":
            number += char
        elif char in _SECONDS and number:
            total += _number(number) * _SECONDS[char]
            number = ""
        else:
            raise ValueError(f"{value!r} is not a duration such as 24h or 30m or 7d")
    if number and _number(number):
        raise ValueError(f"{value!r} lacks a unit: s, m, h, d or w")
    if not text:
        raise ValueError("a duration such as 24h is missing")
    if total > _LONGEST:
        raise ValueError(f"{value!r} is longer than 200 years")
    return int(total * 10**9)


def _share(value: object) -> float:
    text = str(value).strip()
    share = _number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if isinstance(value, bool) or not 0 <= share <= 1:
        raise ValueError(f"{value!r} is not a share of a disk such as 80% or 0.8")
    return share


def _bytes(value: object) -> int:
    """Return bytes: a number, or one with B, kB, MB, GB, TB, PB (powers of 1000), or KiB ... (of 1024)."""
    text = str(value).strip().lower().removesuffix("b")
    base = 1024 if text.endswith("i") else 1000
    text = text.removesuffix("i").rstrip()
    unit = text[-1:] if text[-1:].isalpha() else ""
    if isinstance(value, bool) or unit not in _POWERS or (base == 1024 and not unit):
        raise ValueError(f"{value!r} is not a size such as 20GB")
    size = _number(text.removesuffix(unit)) * base ** _POWERS.index(unit)
    if size > _MOST:
        raise ValueError(f"{value!r} is larger than any disk")
    return int(size)


def _switch(value: object) -> bool:
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise ValueError(f"{value!r} is neither true nor false")
    return text == "true"


def _driver(value: object) -> str:
    from ligan.layers.snapshots.drivers import DRIVERS

    text = str(value).strip()
    if text not in DRIVERS:
        raise ValueError(f"{value!r} is not a storage driver; there are {', '.join(DRIVERS)}")
    return text


def _names(value: object) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"{value!r} is not a list of names")
    return tuple([item.strip() for item in items if item.strip()])


def _number(text: str) -> float:
    text = text.strip()
    if not text or text.strip("0123456789.") or text.count(".") > 1 or text == ".":
        raise ValueError(f"{text!r} is not a number")
    return float(text)


_KEYS = {
    "undo_window": ("window", read_duration),
    "undo_disk_limit": ("disk_limit", _share),
    "undo_budget": ("budget", _bytes),
    "max_layer_size": ("max_layer_size", _bytes),
    "keep_compressed": ("keep_compressed", _switch),
    "bridge": ("bridge", _switch),
    "storage_driver": ("storage_driver", _driver),
}
"""The settings, each with the field of Policy it fills and its parser."""

_REMOTE_KEYS = {
    "insecure_registries": ("insecure", _names),
    "registry_mirrors": ("mirrors", _names),
}
"""The same for RemoteSettings."""


def _is_root(environ: Mapping[str, str]) -> bool:
    """Return whether this is root, and not a user in the user namespace of a store."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and ROOTLESS_UID not in environ


def _home(environ: Mapping[str, str], variable: str, default: str) -> str:
    folder = environ.get(variable, "")
    # The XDG specification: a relative path is invalid and to be ignored.
    return folder if os.path.isabs(folder) else os.path.join(os.path.expanduser("~"), default)
