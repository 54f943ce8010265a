"""What `logs --details` shows beside each line, and which logs cannot be read. Pure.

Source: engine 20.10, daemon/logger/loginfo.go (ExtraAttributes) and loggerutils (ParseLogTag).
"""

from __future__ import annotations

from ligan.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def check_readable(document: Mapping[str, Any]) -> None:
    """Raise Unsupported for a container, as `inspect` shows it, that keeps no log."""
    if document["HostConfig"]["LogConfig"]["Type"] == "none":
        raise Unsupported("configured logging driver does not support reading")


def details(document: Mapping[str, Any]) -> bytes:
    """Return what comes before each line: labels and variables that --log-opt names, its tag, and a blank."""
    from urllib.parse import quote_plus

    options = document["HostConfig"]["LogConfig"]["Config"] or {}
    config = document["Config"]
    variables = dict([variable.partition("=")[::2] for variable in config["Env"] or ()])
    shown = {
        **_named(config["Labels"] or {}, options, "labels"),
        **_named(variables, options, "env"),
    }
    if options.get("tag"):
        shown["tag"] = _tag(options["tag"], document)
    pairs = [f"{quote_plus(name)}={quote_plus(value)}" for name, value in sorted(shown.items())]
    return f"{','.join(pairs)} ".encode()


def _named(values: Mapping[str, str], options: Mapping[str, str], option: str) -> dict[str, str]:
    names = (options.get(option) or "").split(",")
    found = {name: values[name] for name in names if name in values}
    if pattern := options.get(f"{option}-regex"):
        import re

        found |= {name: value for name, value in values.items() if re.search(pattern, name)}
    return found


def _tag(template: str, document: Mapping[str, Any]) -> str:
    """Fill in the fields of a tag; what else a template may have stays as it is."""
    for field, value in (
        ("ID", document["Id"][:12]),
        ("FullID", document["Id"]),
        ("Name", document["Name"].removeprefix("/")),
        ("ImageID", document["Image"].removeprefix("sha256:")[:12]),
        ("ImageFullID", document["Image"]),
        ("ImageName", document["Config"]["Image"]),
        ("DaemonName", "docker"),
    ):
        template = template.replace(f"{{{{.{field}}}}}", value)
    return template
