"""The scenario of inspect: whole documents, templates and unknown names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support import archives, normalise
from tests.support.archives import Image, Item

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.golden import Replay

STORAGE = (16, 44, 45, 87, 88)
"""Steps that print where the layers lie, or addresses of memory."""

PIECE_OF_AN_ID = 62


def _full_image(golden: Replay, parent: Image) -> Image:
    """Return the image that the scenario builds, made from what docker says of it."""
    document = json.loads(golden.steps[4]["stdout"])[0]
    folder = archives.layer({"srv/": b""})
    layers = (*golden.busybox.layers, folder)
    config = {
        "architecture": document["Architecture"],
        "author": document["Author"],
        "config": document["Config"],
        "container": document["Container"],
        "container_config": document["ContainerConfig"],
        "created": document["Created"],
        "docker_version": document["DockerVersion"],
        "history": [*parent.history(), {"created_by": "WORKDIR"}],
        "os": document["Os"],
        "rootfs": {"type": "layers", "diff_ids": [archives.digest(layer) for layer in layers]},
    }
    return Image(json.dumps(config).replace(document["Parent"], parent.id).encode(), layers)


def test_golden_g_inspect_format(replay: Callable[[str], Replay]) -> None:
    golden = replay("g_inspect_format")
    parent = archives.image("step", "2026-11-20T19:51:47Z", parent=golden.busybox)
    full = _full_image(golden, parent)
    golden.load([Item(parent), Item(full, ("full:1",), parent)])
    golden.check(2, 3)
    golden.check(4, 5, 6, 7, reading=normalise.inspection)
    indented = (74, 102)
    golden.check_range(8, 110, without=(*STORAGE, *indented, PIECE_OF_AN_ID))
    golden.check(*indented, reading=normalise.inspection)
