"""Run settings of an image and of a container made one. Pure.

Source: engine 20.10, daemon/commit.go, merge. A create merges over its image, a commit over its container.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def merge(asked: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings asked for, what they leave open taken from the base.

    Both are documents of `oci.runconfig.run_config`, and so is the result, but for the order of its keys.
    A command of its own keeps the base's entrypoint; an entrypoint of its own drops the base's command.
    """
    merged = dict(asked)
    for field in ("User", "WorkingDir", "StopSignal"):
        _fill(merged, base, field)
    for field in ("ExposedPorts", "Volumes"):
        both = (base.get(field) or {}) | (asked.get(field) or {})
        merged[field] = dict(sorted(both.items())) if both else base.get(field)
    merged["Labels"] = dict(sorted(((base.get("Labels") or {}) | (asked.get("Labels") or {})).items()))
    merged["Env"] = _environment(asked.get("Env"), base.get("Env"))
    if not asked.get("Entrypoint"):
        if not asked.get("Cmd"):
            merged["Cmd"] = base.get("Cmd")
        if asked.get("Entrypoint") is None:
            merged["Entrypoint"] = base.get("Entrypoint")
    if base.get("Healthcheck") is not None:
        merged["Healthcheck"] = base["Healthcheck"] | (asked.get("Healthcheck") or {})
    return merged


def _fill(merged: dict[str, Any], base: Mapping[str, Any], field: str) -> None:
    if not merged.get(field) and base.get(field):
        merged[field] = base[field]


def _environment(asked: list[str] | None, base: list[str] | None) -> list[str] | None:
    if not asked:
        return base
    known = {entry.partition("=")[0] for entry in asked}
    return [*asked, *[entry for entry in base or () if entry.partition("=")[0] not in known]]
