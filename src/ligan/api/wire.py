"""Answers as bytes: the shapes of Docker's documents, by API version.

Keys come in Docker's order, arrays are null or empty as in Docker
(goldens a_dangling_rebuild, f_prune_df and g_inspect_format). Structs are
msgspec's, as a list of thousands of images has to be fast.
"""

from __future__ import annotations

import json

import msgspec

from ligan.errors import Invalid, LiganError
from ligan.oci.gojson import GO_ZERO_TIME, go_json
from ligan.oci.gosize import bar
from ligan.oci.times import rfc3339nano
from ligan.remote.progress import Pushed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ligan.build.cache import CacheRecord
    from ligan.images.inspect import HistoryEntry
    from ligan.images.listing import ImageSummary
    from ligan.images.removal import Row
    from ligan.images.staging import LoadProgress
    from ligan.images.usage import ImageUsage
    from ligan.remote.progress import Message

_UNKNOWN = -1
"""What Docker says of a number that it did not compute."""


class _ImageRow(msgspec.Struct, rename="pascal"):
    containers: int
    created: int
    id: str
    labels: msgspec.Raw | None
    parent_id: str
    repo_digests: Sequence[str] | None
    repo_tags: Sequence[str] | None
    shared_size: int
    size: int
    virtual_size: int | msgspec.UnsetType = msgspec.UNSET


class _HistoryRow(msgspec.Struct, rename="pascal"):
    comment: str
    created: int
    created_by: str
    id: str
    size: int
    tags: Sequence[str] | None


class _ChangeRow(msgspec.Struct, rename="pascal", gc=False):
    path: str
    kind: int


_KINDS = {"C": 0, "A": 1, "D": 2}


def _plain(value: object) -> str:
    """Return a Digest or other kind of text as what it is made of. msgspec raises what this does."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not part of any answer")


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def encode(document: object) -> bytes:
    """Return compact JSON with a newline at its end, as Docker's server writes every answer."""
    try:
        return _encoder.encode(document) + b"\n"
    except UnicodeEncodeError:
        # Half a surrogate pair, out of somebody's config: Go would have replaced it when it read that.
        text = json.dumps(
            msgspec.to_builtins(document, enc_hook=_plain), ensure_ascii=False, separators=(",", ":")
        )
        return text.encode("utf-8", "replace") + b"\n"


def message(text: str) -> bytes:
    """Return the body of an error."""
    return encode({"message": text})


def stream_line(document: object) -> bytes:
    """Return one message of an answer that goes on; in those Docker escapes HTML (golden m_registry)."""
    return go_json(document) + b"\r\n"


def stream_error(error: LiganError) -> bytes:
    """Return what tells of an error after the answer has begun."""
    return stream_line({"errorDetail": {"message": error.message}, "error": error.message})


def progress_line(progress: LoadProgress) -> bytes:
    return stream_line({**_bar("Loading layer", progress.current, progress.total), "id": progress.layer})


def import_line(current: int, total: int) -> bytes:
    """Return how much of a URL's tar was read, in bytes; a `total` of -1 is unknown."""
    return stream_line(_bar("Importing", current, total))


def _bar(status: str, current: int, total: int) -> dict[str, object]:
    return {
        "status": status,
        "progressDetail": {"current": current, "total": total},
        "progress": bar(current, total),
    }


def message_line(told: Message) -> bytes:
    """Return one message of a pull or push, its keys in Docker's order (golden m_registry)."""
    if isinstance(told, Pushed):
        aux = {"Tag": told.tag, "Digest": told.digest, "Size": told.size}
        return stream_line({"progressDetail": {}, "aux": aux})
    line: dict[str, object] = {"status": told.status}
    if told.is_layer:
        has_bar = told.current or told.total
        line["progressDetail"] = {"current": told.current, "total": told.total} if has_bar else {}
        if has_bar:
            line["progress"] = bar(told.current, told.total)
    if told.id:
        line["id"] = told.id
    return stream_line(line)


def image_row(image: ImageSummary, api: int, shared_size: int = _UNKNOWN, containers: int = _UNKNOWN) -> Any:
    """Return one image of a list."""
    tags: Sequence[str] | None = image.tags
    digests: Sequence[str] | None = image.digests
    if api < 43:
        if not tags and not digests:
            tags, digests = ("<none>:<none>",), ("<none>@<none>",)
        tags, digests = tags or None, digests or None
    # The labels are stored as JSON text, which nobody has to parse here.
    labels = None if image.labels is None else msgspec.Raw(image.labels.encode("utf-8", "replace"))
    return _ImageRow(
        containers,
        image.created_s,
        str(image.id),
        labels,
        image.parent,
        digests,
        tags,
        shared_size,
        image.size,
        image.size if api < 44 else msgspec.UNSET,
    )


def history_rows(entries: Sequence[HistoryEntry]) -> list[Any]:
    return [
        _HistoryRow(
            entry.comment, entry.created_s, entry.created_by, entry.id, entry.size, entry.tags or None
        )
        for entry in entries
    ]


def change_rows(changes: Mapping[str, str]) -> list[Any]:
    """Return what a container changed, kinds by path."""
    return [_ChangeRow(path, _KINDS[kind]) for path, kind in changes.items()]


def removal_rows(rows: Sequence[Row]) -> list[dict[str, str]]:
    return [{row.kind: row.name} for row in rows]


def usage(
    images: Sequence[ImageUsage],
    containers: Sequence[Any],
    volumes: Sequence[Any],
    cache: Sequence[CacheRecord],
    layers_size: int,
    api: int,
    kinds: Sequence[str],
) -> dict[str, Any]:
    """Return the document of `system df`; of `kinds`, where any are named, only these are told."""
    empty_cache: list[Any] | None = None if api < 42 else []
    rows = [image_row(item.image, api, item.shared_size, item.containers) for item in images]
    told = {
        "LayersSize": ("image", layers_size, 0),
        "Images": ("image", rows, None),
        "Containers": ("container", containers, None),
        "Volumes": ("volume", volumes, None),
        # Docker says null here for a cache that is empty, up to API 1.41.
        "BuildCache": ("build-cache", [_cache_row(item, api) for item in cache] or empty_cache, None),
    }
    document = {
        key: full if not kinds or kind in kinds else empty for key, (kind, full, empty) in told.items()
    }
    if api >= 42:
        return document
    return document | {"BuilderSize": sum(item.size for item in cache if not item.shared)}


def _cache_row(item: CacheRecord, api: int) -> dict[str, Any]:
    parents = {"Parent": item.parent} if api < 42 else {"Parents": [item.parent]} if item.parent else {}
    return {
        "ID": item.id,
        **parents,
        "Type": item.kind,
        "Description": item.description,
        "InUse": item.in_use,
        "Shared": item.shared,
        "Size": item.size,
        "CreatedAt": rfc3339nano(*divmod(item.created, 10**9)),
        "LastUsedAt": rfc3339nano(*divmod(item.last_used, 10**9)) if item.uses else None,
        "UsageCount": item.uses + 1,
    }


# What containers need and images do not: gone from an image's Config with API 1.50.
_CONTAINER_FIELDS = (
    "Hostname",
    "Domainname",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "Image",
    "NetworkDisabled",
    "MacAddress",
    "StopTimeout",
)


def inspection(document: dict[str, Any], api: int) -> dict[str, Any]:
    """Return the engine's document, which is that of API 1.41, as a later version has it."""
    if api >= 44:
        del document["VirtualSize"]
        if document["Created"] == GO_ZERO_TIME:
            del document["Created"]
    if api >= 45:
        del document["Container"], document["ContainerConfig"]
    if api >= 50 and document["Config"] is not None:
        document["Config"] = {
            key: value for key, value in document["Config"].items() if value and key not in _CONTAINER_FIELDS
        }
    return document


def filters(text: str) -> dict[str, list[str]]:
    """Read Docker's filters: a map of names to lists of values, or to maps of values to true.

    Raises Invalid for anything else.
    """
    if not text:
        return {}
    try:
        document = msgspec.json.decode(text, type=dict[str, dict[str, bool] | list[str]])
    except (msgspec.DecodeError, RecursionError):
        raise Invalid("invalid filter") from None
    return {
        name: list(values) if isinstance(values, list) else [value for value, on in values.items() if on]
        for name, values in document.items()
    }
