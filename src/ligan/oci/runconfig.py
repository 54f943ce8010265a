"""The run settings of an image in the fields and order of Docker's Go structs.

Source: engine 20.10, api/types/container.Config and image.V1Image. Bytes that
Docker derives from a config (v1 IDs, configs that it makes) come out of these
structs, so keys that they do not know are dropped and absent ones filled in.
"""

from __future__ import annotations

from ligan.oci.gojson import go_time
from ligan.oci.gostruct import (
    ALWAYS,
    UNLESS_EMPTY,
    UNLESS_NIL,
    boolean,
    embedded,
    integer,
    mapping,
    names,
    optional_integer,
    pointer_to,
    string,
    strings,
    words,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.oci.gostruct import Fields


ENGINE_VERSION = "20.10.24"
"""The engine whose configs are made; `docker_version` in them."""


_HEALTH: Fields = (
    ("Test", strings, UNLESS_EMPTY),
    ("Interval", integer, UNLESS_EMPTY),
    ("Timeout", integer, UNLESS_EMPTY),
    ("StartPeriod", integer, UNLESS_EMPTY),
    ("StartInterval", integer, UNLESS_EMPTY),
    ("Retries", integer, UNLESS_EMPTY),
)
_RUN_CONFIG: Fields = (
    ("Hostname", string, ALWAYS),
    ("Domainname", string, ALWAYS),
    ("User", string, ALWAYS),
    ("AttachStdin", boolean, ALWAYS),
    ("AttachStdout", boolean, ALWAYS),
    ("AttachStderr", boolean, ALWAYS),
    ("ExposedPorts", names, UNLESS_EMPTY),
    ("Tty", boolean, ALWAYS),
    ("OpenStdin", boolean, ALWAYS),
    ("StdinOnce", boolean, ALWAYS),
    ("Env", strings, ALWAYS),
    ("Cmd", words, ALWAYS),
    ("Healthcheck", pointer_to(_HEALTH), UNLESS_NIL),
    ("ArgsEscaped", boolean, UNLESS_EMPTY),
    ("Image", string, ALWAYS),
    ("Volumes", names, ALWAYS),
    ("WorkingDir", string, ALWAYS),
    ("Entrypoint", words, ALWAYS),
    ("NetworkDisabled", boolean, UNLESS_EMPTY),
    ("MacAddress", string, UNLESS_EMPTY),
    ("OnBuild", strings, ALWAYS),
    ("Labels", mapping, ALWAYS),
    ("StopSignal", string, UNLESS_EMPTY),
    ("StopTimeout", optional_integer, UNLESS_NIL),
    ("Shell", words, UNLESS_EMPTY),
)


_READ_CONFIG = embedded(_RUN_CONFIG)
_WHAT = "invalid image JSON"


def run_config(document: object, path: str = "config", what: str = _WHAT) -> dict[str, Any]:
    """Return the run settings as Docker marshals them. Raises Invalid for a value of the wrong kind."""
    return _READ_CONFIG(document, f"{what}: {path}")


def v1_image(document: Mapping[str, Any]) -> dict[str, object]:
    """Return the v1 image of a config, in Docker's order and without ID and parent."""
    config = document.get("config")
    image: dict[str, object] = {
        "comment": string(document.get("comment"), f"{_WHAT}: comment"),
        "created": go_time(string(document.get("created"), f"{_WHAT}: created")),
        "container": string(document.get("container"), f"{_WHAT}: container"),
        "container_config": run_config(document.get("container_config"), "container_config"),
        "docker_version": string(document.get("docker_version"), f"{_WHAT}: docker_version"),
        "author": string(document.get("author"), f"{_WHAT}: author"),
        "config": None if config is None else run_config(config),
        "architecture": string(document.get("architecture"), f"{_WHAT}: architecture"),
        "variant": string(document.get("variant"), f"{_WHAT}: variant"),
        "os": string(document.get("os"), f"{_WHAT}: os"),
        "Size": integer(document.get("Size"), f"{_WHAT}: Size"),
    }
    return {name: value for name, value in image.items() if value or name in ("created", "container_config")}
