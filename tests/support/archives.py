"""Small docker-archives made to measure: deterministic, loadable by Docker and Ligan alike."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(files: Mapping[str, bytes]) -> bytes:
    """Return the tar of a layer that holds `files`, all of them owned by root and dated 1970."""
    return _tar(files.items())


class Image(NamedTuple):
    """An image as an archive carries it. `layers` are tars, bottom first."""

    config: bytes
    layers: tuple[bytes, ...]

    @property
    def id(self) -> str:
        return digest(self.config)

    def history(self) -> list[dict[str, Any]]:
        history: list[dict[str, Any]] = json.loads(self.config)["history"]
        return history


def image(
    step: str,
    created: str,
    *,
    parent: Image | None = None,
    add: bytes | None = None,
    labels: Mapping[str, str] | None = None,
) -> Image:
    """Return the image that `step` makes of `parent`, with the layer `add` on top if the step makes one."""
    row: dict[str, Any] = {"created": created, "created_by": step}
    if add is None:
        row["empty_layer"] = True
    layers = (parent.layers if parent else ()) + (() if add is None else (add,))
    config = {
        "architecture": "amd64",
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"], "Labels": dict(labels) if labels else None},
        "created": created,
        "history": [*(parent.history() if parent else ()), row],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in layers]},
    }
    return Image(json.dumps(config, sort_keys=True, separators=(",", ":")).encode(), layers)


class Item(NamedTuple):
    """One entry of `manifest.json`."""

    image: Image
    tags: tuple[str, ...] = ()
    parent: Image | None = None


def docker_archive(items: Iterable[Item]) -> bytes:
    """Return a docker-archive of `items` in this order; a layer that several share is in it once."""
    manifest = []
    members: dict[str, bytes] = {}
    for item in items:
        paths = [f"{digest(tar)[7:]}/layer.tar" for tar in item.image.layers]
        members.update(zip(paths, item.image.layers, strict=True))
        config = f"{item.image.id[7:]}.json"
        members[config] = item.image.config
        entry: dict[str, Any] = {"Config": config, "RepoTags": list(item.tags) or None, "Layers": paths}
        if item.parent:
            entry["Parent"] = item.parent.id
        manifest.append(entry)
    return _tar([*sorted(members.items()), ("manifest.json", json.dumps(manifest).encode())])


def read_image(archive: str, name: str) -> Image:
    """Return the image of this name out of a docker-archive. Raises KeyError if it has none."""
    with tarfile.open(archive) as tar:

        def read(member: str) -> bytes:
            file = tar.extractfile(member)
            assert file is not None
            return file.read()

        items = {tag: item for item in json.loads(read("manifest.json")) for tag in item["RepoTags"] or ()}
        return Image(read(items[name]["Config"]), tuple(map(read, items[name]["Layers"])))


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
