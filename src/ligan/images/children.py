"""Images made of an image and one step more: by a commit, and by each step of the classic builder.

Source: engine 20.10, image/image.go (NewChildImage).
"""

from __future__ import annotations

from ligan.images import catalog
from ligan.images.host import host_platform
from ligan.oci.digest import ChainID
from ligan.oci.gojson import go_json, go_time
from ligan.oci.identity import EMPTY_LAYER, chain_id
from ligan.oci.runconfig import ENGINE_VERSION
from ligan.oci.times import rfc3339nano
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.oci.digest import DiffID
    from ligan.store.db import WriteTransaction


class Step(Value):
    """What an image records of its last step.

    `config` are the settings of what runs of the image, `container_config` those of the container that made
    it; both are documents of `oci.runconfig.run_config`. `container` is that container's ID, or empty.
    """

    config: Mapping[str, Any]
    container_config: Mapping[str, Any]
    container: str = ""
    author: str = ""
    comment: str = ""


def child_config(parent: Mapping[str, Any], step: Step, diff_id: DiffID, now: int) -> bytes:
    """Return the config as Docker marshals it: keys sorted at the top, in its structs' order below.

    `parent` is the config of the image below, empty for none.
    """
    is_empty = diff_id == EMPTY_LAYER
    created = rfc3339nano(*divmod(now, 10**9))
    diff_ids = [*((parent.get("rootfs") or {}).get("diff_ids") or ()), *([] if is_empty else [diff_id])]
    row = {
        "created": created,
        "author": step.author,
        "created_by": " ".join(step.container_config["Cmd"] or ()),
        "comment": step.comment,
        "empty_layer": is_empty,
    }
    document = {
        "architecture": parent.get("architecture") or host_platform().architecture,
        "author": step.author,
        "config": step.config,
        "container": step.container,
        "container_config": step.container_config,
        "created": created,
        "docker_version": ENGINE_VERSION,
        "history": [*history_rows(parent), _in_order(row)],
        "os": "linux",
        "os.features": parent.get("os.features"),
        "os.version": parent.get("os.version"),
        "rootfs": {"type": "layers"} | ({"diff_ids": diff_ids} if diff_ids else {}),
        "variant": parent.get("variant"),
    }
    return go_json({key: value for key, value in document.items() if value})


def history_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the history of a config as Go marshals it."""
    return [
        _in_order(row | {"created": go_time(row.get("created") or "")})
        for row in document.get("history") or ()
    ]


def _in_order(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of history as Go marshals it: what is empty is left out."""
    fields = ("created", "author", "created_by", "comment", "empty_layer")
    return {field: row[field] for field in fields if row.get(field)}


def add_layer(tx: WriteTransaction, below: int | None, diff_id: DiffID, size: int, blob: int) -> int:
    """Return the key of the layer on that one, new or known; whoever called must make something hold it."""
    parent = tx.value("SELECT chain_id FROM layer WHERE key = ?", (below,))
    whole = chain_id(ChainID(parent) if parent else None, diff_id)
    return catalog.ensure_layer(tx, whole, below, diff_id, size, blob)
