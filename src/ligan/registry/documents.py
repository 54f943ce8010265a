"""What a registry has to know of a manifest that is pushed. Pure.

Sources: OCI image-spec v1.1 (manifest.md, image-index.md), distribution-spec v1.1 ("Pushing Manifests",
"Listing Referrers"), Docker's image manifest schema 2.
"""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.oci.digest import Digest
from ligan.oci.documents import INDEX_TYPES, MANIFEST_TYPES, OCI_INDEX, OCI_MANIFEST, parse_json, typed
from ligan.registry.faults import ManifestInvalid
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Named(Value):
    """What a manifest says of a blob or a manifest that it needs. `elsewhere`: it need not be here."""

    digest: Digest
    size: int
    elsewhere: bool = False


class Pushed(Value):
    """A manifest or an index. `subject` and `artifact_type` are empty where it has none."""

    raw: bytes
    media_type: str
    blobs: tuple[Named, ...]
    children: tuple[Named, ...]
    subject: str
    artifact_type: str
    annotations: dict[str, str]


def read_pushed(raw: bytes, content_type: str) -> Pushed:
    """Raises ManifestInvalid for what no client could pull."""
    try:
        document = parse_json(raw, "manifest")
        media_type = _media_type(document, content_type)
        return (
            _index(raw, media_type, document)
            if media_type in INDEX_TYPES
            else _image(raw, media_type, document)
        )
    except Invalid as error:
        raise ManifestInvalid(error.message) from None


def _media_type(document: Any, content_type: str) -> str:
    if not isinstance(document, dict):
        raise Invalid("invalid manifest: not an object")
    given = content_type.partition(";")[0].strip().lower()
    own = typed(document, "mediaType", str, "manifest")
    if document.get("schemaVersion") != 2:
        raise Invalid("invalid manifest: schemaVersion is not 2")
    if given and own and given != own:
        raise Invalid(f"invalid manifest: it is {own:.100}, and was sent as {given:.100}")
    media_type: str = own or given or (OCI_INDEX if "manifests" in document else OCI_MANIFEST)
    if media_type not in MANIFEST_TYPES + INDEX_TYPES:
        raise Invalid(f"invalid manifest: {media_type:.100} is no type of manifest that this registry takes")
    # What one reader takes for an index and another for an image, nobody could trust (image-spec v1.0.2).
    for other in ("config", "layers") if media_type in INDEX_TYPES else ("manifests",):
        if other in document:
            raise Invalid(f"invalid manifest: {media_type} has no {other}")
    return media_type


def _image(raw: bytes, media_type: str, document: dict[str, Any]) -> Pushed:
    config = document.get("config")
    if not isinstance(config, dict):
        raise Invalid("invalid manifest: config is not an object")
    layers = typed(document, "layers", list, "manifest")
    return Pushed(
        raw=raw,
        media_type=media_type,
        blobs=tuple([_named(item) for item in (config, *layers)]),
        children=(),
        subject=_subject(document),
        # distribution-spec v1.1: the config's media type stands in for an artifact type.
        artifact_type=typed(document, "artifactType", str, "manifest")
        or typed(config, "mediaType", str, "manifest"),
        annotations=_annotations(document),
    )


def _index(raw: bytes, media_type: str, document: dict[str, Any]) -> Pushed:
    return Pushed(
        raw=raw,
        media_type=media_type,
        blobs=(),
        children=tuple([_named(item) for item in typed(document, "manifests", list, "index")]),
        subject=_subject(document),
        artifact_type=typed(document, "artifactType", str, "index"),
        annotations=_annotations(document),
    )


def _named(item: Any) -> Named:
    if not isinstance(item, dict):
        raise Invalid("invalid descriptor: not an object")
    size = typed(item, "size", int, "descriptor")
    if size < 0:
        raise Invalid(f"invalid descriptor: size {size} is negative")
    urls = typed(item, "urls", list, "descriptor")
    return Named(Digest.parse(typed(item, "digest", str, "descriptor")), size, elsewhere=bool(urls))


def _subject(document: dict[str, Any]) -> str:
    subject = document.get("subject")
    if subject is None:
        return ""
    if not isinstance(subject, dict):
        raise Invalid("invalid manifest: subject is not an object")
    return _named(subject).digest


def _annotations(document: dict[str, Any]) -> dict[str, str]:
    annotations: dict[str, str] = typed(document, "annotations", dict, "manifest")
    if not all(isinstance(value, str) for value in annotations.values()):
        raise Invalid("invalid manifest: an annotation is not a string")
    return annotations
