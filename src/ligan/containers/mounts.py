"""What a container mounts beside its root: volumes, folders of the host, and memory. Parsing is pure.

Source of rules and words: engine 20.10, volume/mounts (linux_parser.go, validate.go).
"""

from __future__ import annotations

import os
from posixpath import normpath

from ligan.errors import Invalid
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Mount(Value):
    """One mount of a container, as it was resolved when the container was made.

    `type` is bind, volume or tmpfs. `source` is a path on this host, empty for tmpfs; `name` that of a
    volume. `mode` is what was written behind the last colon of a bind. `options` are those of a tmpfs
    mount, `copy` tells whether an empty volume gets what the image has there. `must_exist`: a source that
    is not there is an error; otherwise a folder is made.
    """

    type: str
    source: str
    destination: str
    name: str = ""
    driver: str = ""
    mode: str = ""
    rw: bool = True
    propagation: str = ""
    copy: bool = False
    options: str = ""
    must_exist: bool = False
    recursive: bool = True

    def document(self) -> dict[str, Any]:
        """Return the mount as inspect shows it (engine 20.10, api/types.MountPoint)."""
        shown: dict[str, Any] = {"Type": self.type}
        if self.name:
            shown["Name"] = self.name
        shown |= {"Source": self.source, "Destination": self.destination}
        if self.driver:
            shown["Driver"] = self.driver
        return shown | {"Mode": self.mode, "RW": self.rw, "Propagation": self.propagation}


def stored(mounts: tuple[Mount, ...]) -> list[dict[str, Any]]:
    """Return the mounts as a container's row keeps them: fields that have their default are left out."""
    return [
        {
            field: value
            for field, value in zip(Mount._fields, mount._astuple(), strict=True)
            if field not in Mount._defaults or value != Mount._defaults[field]
        }
        for mount in mounts
    ]


def in_order(mounts: Mapping[str, Mount]) -> tuple[Mount, ...]:
    """Return the mounts, those on top of others after them."""
    return tuple(sorted(mounts.values(), key=lambda mount: (mount.destination.count("/"), mount.destination)))


_READ_WRITE = ("rw", "ro")
_LABELS = ("Z", "z")
_PROPAGATION = ("private", "rprivate", "slave", "rslave", "shared", "rshared")
_COPY = ("nocopy",)
_CONSISTENCY = ("consistent", "cached", "delegated")
_DEFAULT_PROPAGATION = "rprivate"


def _is_mode(mode: str) -> bool:
    """Return whether these are options of a mount, one of each kind at most."""
    options = mode.split(",") if mode else []
    kinds = (_READ_WRITE, _LABELS, _PROPAGATION, _COPY, _CONSISTENCY)
    return all(any(option in kind for kind in kinds) for option in options) and all(
        sum(option in kind for option in options) <= 1 for kind in kinds
    )


def parse_bind(raw: str, driver: str = "") -> Mount:
    """Return the mount of `[source:]destination[:options]`; a source that is no path names a volume.

    The name of an anonymous volume is left empty. Raises Invalid.
    """
    parts = raw.split(":")
    if len(parts) > 3 or not parts[0]:
        raise _invalid(raw)
    if len(parts) == 1:
        source, destination, mode = "", parts[0], ""
    elif len(parts) == 2:
        source, destination, mode = parts[0], parts[1], ""
        if _is_mode(destination):  # a volume alone takes no options, and nothing is mounted on "ro"
            raise _invalid(raw)
    else:
        source, destination, mode = parts
    if not _is_mode(mode):
        raise Invalid(f"invalid mode: {mode}")
    options = mode.split(",")
    kind = "bind" if source.startswith("/") else "volume"
    propagation = next((option for option in options if option in _PROPAGATION), "")
    document: dict[str, Any] = {"Type": kind, "Source": source, "Target": destination}
    document["ReadOnly"] = "ro" in options
    if kind == "volume" and propagation:
        document["BindOptions"] = {"Propagation": propagation}
    if kind == "bind" and "nocopy" in options:
        document["VolumeOptions"] = {"NoCopy": True}
    try:
        _check(document, must_exist=False)
    except Invalid as error:
        raise Invalid(f"{_invalid(raw).message}: {error.message}") from None
    if kind == "bind":
        return Mount(
            "bind",
            normpath(source),
            _clean(destination),
            mode=mode,
            rw="ro" not in options,
            propagation=propagation or _DEFAULT_PROPAGATION,
        )
    return Mount(
        "volume",
        "",
        _clean(destination),
        name=source,
        driver=driver,
        mode=mode,
        rw="ro" not in options,
        copy="nocopy" not in options,
    )


def _invalid(raw: str) -> Invalid:
    return Invalid(f"invalid volume specification: '{raw}'")


def _clean(path: str) -> str:
    return "/" + normpath(path).lstrip("/")


def parse_mount(document: Mapping[str, Any]) -> Mount:
    """Return the mount of a `--mount`, as HostConfig.Mounts has it. Raises Invalid."""
    check_mount(document)
    destination = _clean(document["Target"])
    rw = not document.get("ReadOnly", False)
    if document["Type"] == "bind":
        options = document.get("BindOptions") or {}
        return Mount(
            "bind",
            normpath(document["Source"]),
            destination,
            rw=rw,
            propagation=options.get("Propagation") or _DEFAULT_PROPAGATION,
            must_exist=True,
            recursive=not options.get("NonRecursive", False),
        )
    if document["Type"] == "tmpfs":
        return Mount("tmpfs", "", destination, rw=rw, options=tmpfs_options(document))
    options = document.get("VolumeOptions") or {}
    return Mount(
        "volume",
        "",
        destination,
        name=document.get("Source", ""),
        driver=(options.get("DriverConfig") or {}).get("Name", ""),
        rw=rw,
        copy=not options.get("NoCopy", False),
    )


def check_mount(document: Mapping[str, Any]) -> None:
    """Raise Invalid for what HostConfig.Mounts must not hold."""
    _check(document, must_exist=True)


def _check(document: Mapping[str, Any], *, must_exist: bool) -> None:
    try:
        _check_fields(document, must_exist=must_exist)
    except Invalid as error:
        raise Invalid(
            f'invalid mount config for type "{document.get("Type", "")}": {error.message}'
        ) from None


def _check_fields(document: Mapping[str, Any], *, must_exist: bool) -> None:
    target, source = document.get("Target", ""), document.get("Source", "")
    if not target:
        raise Invalid("field Target must not be empty")
    check_destination(target)
    kind = document.get("Type", "")
    if kind == "bind":
        _check_bind(document, source, must_exist=must_exist)
    elif kind == "volume":
        if document.get("BindOptions") is not None:
            raise Invalid("field BindOptions must not be specified")
        if not source and document.get("ReadOnly"):
            raise Invalid("must not set ReadOnly mode when using anonymous volumes")
    elif kind == "tmpfs":
        if document.get("BindOptions") is not None:
            raise Invalid("field BindOptions must not be specified")
        if source:
            raise Invalid("field Source must not be specified")
    else:
        raise Invalid("mount type unknown")


def _check_bind(document: Mapping[str, Any], source: str, *, must_exist: bool) -> None:
    if not source:
        raise Invalid("field Source must not be empty")
    propagation = (document.get("BindOptions") or {}).get("Propagation", "")
    if propagation and propagation not in _PROPAGATION:
        raise Invalid(f"invalid propagation mode: {propagation}")
    if document.get("VolumeOptions") is not None:
        raise Invalid("field VolumeOptions must not be specified")
    if not source.startswith("/"):
        raise Invalid(f"invalid mount path: '{source}' mount path must be absolute")
    if must_exist and not os.path.exists(source):
        raise Invalid(f"bind source path does not exist: {source}")


def check_destination(path: str) -> None:
    """Raise Invalid for a path in a container on which nothing can be mounted."""
    if normpath(path.replace("\\", "/")).lstrip("/") in ("", "."):
        raise Invalid("invalid specification: destination can't be '/'")
    if not path.replace("\\", "/").startswith("/"):
        raise Invalid(f"invalid mount path: '{path}' mount path must be absolute")


def tmpfs_options(document: Mapping[str, Any]) -> str:
    """Return the mount options of a tmpfs of HostConfig.Mounts: size in the largest unit that divides it."""
    options = document.get("TmpfsOptions") or {}
    words = ["ro"] if document.get("ReadOnly") else []
    if options.get("Mode"):
        words.append(f"mode={options['Mode']:o}")
    size = options.get("SizeBytes", 0)
    if size:
        unit, divisor = next((unit for unit in _UNITS if size % unit[1] == 0), ("", 1))
        words.append(f"size={size // divisor}{unit}")
    return ",".join(words)


_UNITS = (("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10))


def parse_volumes_from(spec: str) -> tuple[str, bool]:
    """Return the container of `container[:mode]`, and whether its volumes may be written. Raises Invalid."""
    if not spec:
        raise Invalid("volumes-from specification cannot be an empty string")
    container, colon, mode = spec.partition(":")
    options = mode.split(",")
    refused = any(option in _PROPAGATION or option in _COPY for option in options)
    if colon and (not _is_mode(mode) or refused):
        raise Invalid(f"invalid mode: {mode}")
    return container, "ro" not in options
