"""What a manifest says that is on the disk already. Pure.

Whoever stored it found it good, `registry:2` of any age or another: here nothing is refused that is JSON.
Sources: OCI image-spec v1.1, Docker's image manifest schemas 1 and 2. The media type is nowhere on the disk.
"""

from __future__ import annotations

import json

import msgspec

from ligan.errors import Invalid
from ligan.oci.digest import Digest
from ligan.oci.documents import OCI_INDEX, OCI_MANIFEST, SCHEMA1_TYPES
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_LONGEST_TYPE = 255


class Stored(Value):
    """`blobs` are digests and whether the blob need not be here; `annotations` are JSON, or empty.

    Digests of blobs and children are as they are written, and may be none.
    """

    media_type: str
    blobs: tuple[tuple[str, bool], ...]
    children: tuple[str, ...]
    subject: str
    artifact_type: str
    annotations: str


def read_stored(raw: bytes) -> Stored | None:
    """Return what a manifest says, or None for what is none."""
    document = _parse(raw)
    if not isinstance(document, dict):
        return None
    config = document.get("config")
    annotations = document.get("annotations")
    return Stored(
        _media_type(document),
        tuple(_blobs(document)),
        tuple([text for item in _items(document, "manifests") if (text := _text(item, "digest"))]),
        subject if is_digest(subject := _text(document.get("subject"), "digest")) else "",
        _plain(_text(document, "artifactType")) or _plain(_text(config, "mediaType")),
        json.dumps(annotations) if _is_text_map(annotations) else "",
    )


def is_digest(text: str) -> bool:
    try:
        Digest.parse(text)
    except Invalid:
        return False
    return True


def _parse(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        pass
    try:  # as Go's parser, which lets bytes pass that are no UTF-8
        return json.loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _media_type(document: dict[str, Any]) -> str:
    if document.get("schemaVersion") == 1:
        return SCHEMA1_TYPES["signatures" in document]
    own = _plain(_text(document, "mediaType"))
    return own or (OCI_INDEX if "manifests" in document else OCI_MANIFEST)


def _blobs(document: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    for item in [document.get("config"), *_items(document, "layers"), *_items(document, "blobs")]:
        if text := _text(item, "digest"):
            yield text, bool(item.get("urls"))
    for item in _items(document, "fsLayers"):
        if text := _text(item, "blobSum"):
            yield text, False


def _items(document: dict[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _text(item: Any, key: str) -> str:
    value = item.get(key) if isinstance(item, dict) else None
    return value if isinstance(value, str) else ""


def _plain(media_type: str) -> str:
    """Return a media type that can be said in a header, or an empty string."""
    good = media_type.isascii() and media_type.isprintable() and len(media_type) <= _LONGEST_TYPE
    return media_type if good else ""


def _is_text_map(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(each, str) for each in value.values())
