"""The image that a build makes: its config as BuildKit writes it, and its history.

Source of the form: BuildKit, exporter/containerimage/writer.go and frontend/dockerfile/dockerfile2llb.
"""

from __future__ import annotations

from ligan.oci.gojson import go_json
from ligan.oci.times import rfc3339nano
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ligan.oci.platform import Platform

COMMENT = "buildkit.dockerfile.v0"


class HistoryRow(Value):
    """A row of history. `created` is in nanoseconds since 1970, or None: then it follows from the others.

    `kept` is a base image's row, which stays as it is.
    """

    created_by: str
    empty_layer: bool
    created: int | None = None
    author: str = ""
    kept: Mapping[str, Any] | None = None


_CONFIG = (
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "ArgsEscaped",
    "Healthcheck",
)
"""Fields of an image's run settings in the order of BuildKit's structs; those below come after."""


def config_document(
    settings: Mapping[str, Any],
    history: Sequence[HistoryRow],
    diff_ids: Sequence[str],
    platform: Platform,
    *,
    now: int,
    epoch: int | None = None,
    author: str = "",
) -> bytes:
    """Return an image's config. Times are nanoseconds since 1970; `epoch` is that of SOURCE_DATE_EPOCH."""
    rows = _timed(history, now if epoch is None else epoch)
    created = _stamp(epoch) if epoch is not None else _last(rows)
    document: dict[str, Any] = {
        "architecture": platform.architecture,
        "author": author,
        "config": _run_settings(settings),
        "created": created,
        "history": rows,
        "os": platform.os,
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids) or None},
        "variant": platform.variant,
    }
    return go_json({key: value for key, value in document.items() if value})


def _run_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    shown = {field: settings[field] for field in _CONFIG if settings.get(field)}
    shown["OnBuild"] = settings.get("OnBuild") or None
    for field in ("StopTimeout", "Shell"):
        if settings.get(field):
            shown[field] = settings[field]
    return shown


def _timed(history: Sequence[HistoryRow], otherwise: int) -> list[dict[str, Any]]:
    """Return the rows with their times: one without has that of the first new layer, or of the row before."""
    times = [_moment(row) for row in history]
    created, has_gap = None, False
    for time in times:
        if time is None:
            has_gap = True
        else:
            created = time
            if has_gap:
                break
    has_gap = False
    stamp = created or _stamp(otherwise)
    rows = []
    for row, time in zip(history, times, strict=True):
        if time is None:
            has_gap = True
        elif has_gap:
            stamp = time
        rows.append(_row(row, time or stamp))
    return rows


def _moment(row: HistoryRow) -> str | None:
    if row.kept is not None:
        return row.kept.get("created") or None
    return None if row.created is None else _stamp(row.created)


def _stamp(nanoseconds: int) -> str:
    return rfc3339nano(*divmod(nanoseconds, 10**9))


def _row(row: HistoryRow, created: str) -> dict[str, Any]:
    if row.kept is not None:
        fields = ("created", "created_by", "author", "comment", "empty_layer")
        return {"created": created} | {field: row.kept[field] for field in fields if row.kept.get(field)}
    shown: dict[str, Any] = {"created": created, "created_by": row.created_by}
    if row.author:
        shown["author"] = row.author
    shown["comment"] = COMMENT
    if row.empty_layer:
        shown["empty_layer"] = True
    return shown


def _last(rows: Sequence[Mapping[str, Any]]) -> str:
    return str(rows[-1]["created"]) if rows else ""
