"""Images without layers, which docker keeps and cannot save.

`FROM scratch` and a setting make one: the classic builder's first steps. What
the API tells of it and its parents is enough to write its config again, and
whether that is the right one shows in its digest.
"""

from __future__ import annotations

import json

from ligan.layers.tar_write import END, header, padding
from ligan.oci.digest import sha256
from ligan.oci.documents import typed
from ligan.oci.gojson import go_json
from ligan.oci.runconfig import run_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ligan.oci.digest import ImageID

_ROWS = (
    ("created", "author", "created_by", "comment", "empty_layer"),
    ("created", "created_by", "author", "comment", "empty_layer"),
)
"""The fields of a history row in the order of engine 20.10, and of 25 (image-spec's struct)."""


def rebuild_config(image: ImageID, lineage: Sequence[dict[str, Any]]) -> bytes | None:
    """Return the exact bytes of an image's config, or None where they cannot be told.

    `lineage` is what inspect says of the image and of all before it, oldest first.
    Raises Invalid for documents that no daemon writes.
    """
    document = lineage[-1]
    config: dict[str, object] = {
        "architecture": document.get("Architecture"),
        "author": document.get("Author"),
        "comment": document.get("Comment"),
        "config": run_config(document.get("Config")),
        "container": document.get("Container"),
        "container_config": run_config(document.get("ContainerConfig")),
        "created": document.get("Created"),
        "docker_version": document.get("DockerVersion"),
        "os": document.get("Os"),
        "os.version": document.get("OsVersion"),
        "rootfs": {"type": "layers"},
        "variant": document.get("Variant"),
    }
    steps = [_step(each) for each in lineage]
    for order in _ROWS:
        config["history"] = [{key: step[key] for key in order if step[key]} for step in steps]
        raw = go_json({key: config[key] for key in sorted(config) if config[key]})
        if sha256(raw) == image:
            return raw
    return None


def _step(document: dict[str, Any]) -> dict[str, object]:
    words = typed(typed(document, "ContainerConfig", dict, "image"), "Cmd", list, "image")
    return {
        "created": document.get("Created"),
        "author": document.get("Author"),
        "created_by": " ".join(map(str, words)),
        "comment": document.get("Comment"),
        "empty_layer": True,
    }


def archive_of(image: ImageID, config: bytes) -> bytes:
    """Return a docker-archive of the image alone, without a name."""
    name = f"{image.hex}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": None, "Layers": []}]).encode()
    members = [(name, config), ("manifest.json", manifest)]
    return b"".join([header(name, len(data)) + data + padding(len(data)) for name, data in members]) + END
