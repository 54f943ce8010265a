"""One image in full: Docker's inspect document and history."""

from __future__ import annotations

from ligan.errors import Corrupt
from ligan.images.catalog import ImageRow, chain, familiar_names, find_by_key, resolve
from ligan.oci.digest import Digest, ImageID, sha256
from ligan.oci.documents import ImageConfig, parse_json
from ligan.oci.gojson import GO_ZERO_TIME, go_time
from ligan.oci.runconfig import run_config
from ligan.oci.times import parse_time, rfc3339nano
from ligan.store.blobs import MissingBlob
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.store.db import ReadTransaction
    from ligan.store.layout import Layout

MISSING = "<missing>"


class HistoryEntry(Value):
    """One step. `id` is `<missing>` where no image of the step is here; `size` is DiffSize in bytes.

    `created_s` is in seconds since 1970.
    """

    id: str
    created_s: int
    created_by: str
    size: int
    comment: str
    tags: tuple[str, ...]


def read_config(layout: Layout, image: ImageID) -> ImageConfig:
    """Read an image's config from its blob. Raises MissingBlob, or Corrupt if it is not what its ID says."""
    return ImageConfig.parse(_read_raw(layout, image))


def read_document(layout: Layout, image: ImageID) -> dict[str, Any]:
    """Do as read_config, and return the object as it is: a history of 120 steps takes 2 ms to take apart."""
    document: dict[str, Any] = parse_json(_read_raw(layout, image), "image JSON")
    return document


def _read_raw(layout: Layout, image: ImageID) -> bytes:
    try:
        with open(layout.blob(image), "rb") as file:
            raw = file.read()
    except OSError as error:
        kind = MissingBlob if isinstance(error, FileNotFoundError) else Corrupt
        raise kind(f"the config of image {image.short} cannot be read: {error.strerror}", _FSCK) from error
    if sha256(raw) != image:
        raise Corrupt(f"the config of image {image.short} is damaged on disk", _FSCK)
    return raw


_FSCK = "See what else is damaged with `ligan fsck`."


def history(tx: ReadTransaction, layout: Layout, name: str) -> list[HistoryEntry]:
    """Return the steps of an image, newest first.

    The first row has the image's ID, the next ones those of its parents as far
    as they are here (engine 20.10, daemon/images/image_history.go).
    """
    image: ImageRow | None = resolve(tx, name).image
    assert image is not None
    config = read_config(layout, image.id)
    sizes = [size for _key, _chain, _diff, size, _blob in chain(tx, image.layer)]
    entries = []
    for step in config.history:
        size = 0 if step.empty_layer or not sizes else sizes.pop(0)
        seconds, _nanoseconds = parse_time(step.created)
        entries.append(HistoryEntry(MISSING, seconds, step.created_by, size, step.comment, ()))
    entries.reverse()
    for index, entry in enumerate(entries):
        if image is None:
            break
        tags, _digests = familiar_names(tx, image.key)
        entries[index] = entry.replace(id=image.id, tags=tuple(tags))
        image = find_by_key(tx, image.parent)
    return entries


def inspect(tx: ReadTransaction, layout: Layout, name: str) -> dict[str, Any]:
    """Return the document of `GET /images/{name}/json` at API 1.41, keys in Docker's order.

    Source: golden g_inspect_format.
    """
    image = resolve(tx, name).image
    config = read_config(layout, image.id)
    document = config.document
    tags, digests = familiar_names(tx, image.key)
    layers = chain(tx, image.layer)
    size = sum(layer[3] for layer in layers)
    parent = find_by_key(tx, image.parent)
    last_tagged = tx.value("SELECT last_tagged FROM image WHERE key = ?", (image.key,))
    comment = document.get("comment") or (config.history[-1].comment if config.history else "")
    result: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": parent.id if parent else "",
        "Comment": comment,
        "Created": go_time(config.created),
        "Container": document.get("container") or "",
        "ContainerConfig": run_config(document.get("container_config"), "container_config"),
        "DockerVersion": document.get("docker_version") or "",
        "Author": document.get("author") or "",
        "Config": None if document.get("config") is None else run_config(document["config"]),
        "Architecture": document.get("architecture") or "",
    }
    if document.get("variant"):
        result["Variant"] = document["variant"]
    result["Os"] = document.get("os") or "linux"
    if document.get("os.version"):
        result["OsVersion"] = document["os.version"]
    rootfs: dict[str, Any] = {"Type": document["rootfs"].get("type") or ""}
    if config.diff_ids:
        rootfs["Layers"] = list(config.diff_ids)
    return result | {
        "Size": size,
        "VirtualSize": size,
        "GraphDriver": _graph_driver(layout, layers[-1][4] if layers else ""),
        "RootFS": rootfs,
        "Metadata": {
            "LastTagTime": GO_ZERO_TIME if last_tagged is None else rfc3339nano(*divmod(last_tagged, 10**9))
        },
    }


def _graph_driver(layout: Layout, top: str) -> dict[str, Any]:
    """Where the top layer lies: a tar, which nothing has unpacked."""
    return {"Data": {"LayerTar": layout.blob(Digest(top))} if top else None, "Name": "tar"}
