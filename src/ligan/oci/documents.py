"""Documents that are named by the digest of their bytes; each keeps those bytes.

Sources: OCI image-spec (descriptor.md, manifest.md, image-index.md, config.md)
and Docker's image specification v1.2. Whatever a document holds beyond the
fields read here stays in `raw`: nothing is ever re-encoded.
"""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.oci.digest import DiffID, Digest, ImageID, sha256
from ligan.oci.platform import Platform, normalise
from ligan.oci.times import parse_time
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
SCHEMA1_TYPES = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)

MANIFEST_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = (OCI_INDEX, DOCKER_LIST)

MAX_DOCUMENT_SIZE = 4 << 20
"""Bytes: larger manifests are refused by registries and engines alike (distribution-spec)."""


def parse_json(raw: bytes, what: str) -> Any:
    """Return the value of JSON in UTF-8. Raises Invalid, naming `what`, for anything else."""
    from ligan.oci.compact_json import loads

    try:
        value = loads(raw.decode("utf-8"))
        return whole_characters(value) if b"\\ud" in raw.lower() else value
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise Invalid(f"invalid {what}: {reason}") from None


def whole_characters(value: Any) -> Any:
    """As Go does, take half of a surrogate pair for U+FFFD: no file or terminal can hold it."""
    from ligan.oci.compact_json import dumps, loads

    return loads(dumps(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def typed(document: dict[str, Any], key: str, kind: type, what: str) -> Any:
    """Return document[key], or an empty `kind` where it is absent or null. Raises Invalid for others."""
    value = document.get(key)
    if value is None:
        return kind()
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Invalid(f"invalid {what}: {key} is not {_KINDS[kind]}")
    return value


_MAX_INTEGER = (1 << 63) - 1  # Go's int64, and a database's

_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a string", int: "a whole number"}


class HistoryRow(Value):
    """One step of a build, oldest first in a config."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False

    def is_same_step(self, other: HistoryRow) -> bool:
        """Compare as Docker does: times by their moment, however many zeros they are written with."""
        if self.replace(created="") != other.replace(created=""):
            return False
        return self.created == other.created or parse_time(self.created) == parse_time(other.created)


class ImageConfig(Value):
    """An image's config: what it runs, its history and the diff IDs of its layers, bottom first."""

    raw: bytes
    id: ImageID
    document: dict[str, Any]
    created: str
    platform: Platform
    diff_ids: tuple[DiffID, ...]
    history: tuple[HistoryRow, ...]

    @classmethod
    def parse(cls, raw: bytes) -> ImageConfig:
        """Raises Invalid with Docker's words for a config that no image can have.

        So too for settings and times that Docker could not read: no later verb shall stumble over them.
        """
        what = "image JSON"
        document = parse_json(raw, what)
        if not isinstance(document, dict):
            raise Invalid(f"invalid {what}: not an object")
        if "rootfs" not in document or document["rootfs"] is None:
            raise Invalid("invalid image JSON, no RootFS key")
        rootfs = typed(document, "rootfs", dict, what)
        typed(rootfs, "type", str, what)
        diff_ids = tuple(DiffID.parse(_text(item, what)) for item in typed(rootfs, "diff_ids", list, what))
        history = tuple(_history_row(item) for item in typed(document, "history", list, what))
        if sum(not row.empty_layer for row in history) > len(diff_ids):
            raise Invalid("too many non-empty layers in History section")
        created = typed(document, "created", str, what)
        typed(document, "os.version", str, what)
        from ligan.oci.runconfig import v1_image

        v1_image(document)
        for moment in (created, *[row.created for row in history]):
            parse_time(moment)
        return cls(
            raw=raw,
            id=ImageID(sha256(raw)),
            document=document,
            created=created,
            platform=normalise(
                typed(document, "os", str, what),
                typed(document, "architecture", str, what),
                typed(document, "variant", str, what),
            ),
            diff_ids=diff_ids,
            history=history,
        )

    @property
    def labels(self) -> dict[str, str] | None:
        """The labels, or None where the config has no map of them."""
        labels = (self.document.get("config") or {}).get("Labels")
        return None if labels is None else {key: value or "" for key, value in labels.items()}

    def is_child_of(self, parent: ImageConfig) -> bool:
        """Return whether this image is the parent plus one step.

        Docker's rule for a parent link out of an archive (engine 20.10, image/tarexport, checkValidParent).
        """
        if not self.history and not parent.history:
            return True  # nobody has to keep a history
        steps = len(parent.history)
        return len(self.history) == steps + 1 and all(
            mine.is_same_step(theirs) for mine, theirs in zip(self.history, parent.history, strict=False)
        )


def _history_row(item: Any) -> HistoryRow:
    what = "image JSON"
    if not isinstance(item, dict):
        raise Invalid(f"invalid {what}: a row of history is not an object")
    return HistoryRow(
        created=typed(item, "created", str, what),
        created_by=typed(item, "created_by", str, what),
        author=typed(item, "author", str, what),
        comment=typed(item, "comment", str, what),
        empty_layer=item.get("empty_layer") is True,
    )


def _text(item: Any, what: str) -> str:
    if not isinstance(item, str):
        raise Invalid(f"invalid {what}: {item!r:.80} is not a string")
    return item


class Descriptor(Value):
    """What a document says of another: media type, digest and size in bytes.

    `urls` are where it can be had, apart from where the document was.
    """

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None
    annotations: dict[str, str]
    urls: tuple[str, ...] = ()

    @classmethod
    def of(cls, item: Any) -> Descriptor:
        """Raises Invalid for anything but a descriptor's JSON."""
        what = "descriptor"
        if not isinstance(item, dict):
            raise Invalid(f"invalid {what}: not an object")
        size = typed(item, "size", int, what)
        if size < 0:
            raise Invalid(f"invalid {what}: size {size} is negative")
        if size > _MAX_INTEGER:
            raise Invalid(f"invalid {what}: size {size} is larger than any file")
        platform = typed(item, "platform", dict, what)
        annotations = typed(item, "annotations", dict, what)
        return cls(
            media_type=typed(item, "mediaType", str, what),
            digest=Digest.parse(typed(item, "digest", str, what)),
            size=size,
            platform=normalise(
                typed(platform, "os", str, what),
                typed(platform, "architecture", str, what),
                typed(platform, "variant", str, what),
            )
            if platform
            else None,
            annotations={str(key): str(value) for key, value in annotations.items()},
            urls=tuple(_text(url, what) for url in typed(item, "urls", list, what)),
        )


class Manifest(Value):
    """A config and its layers, bottom first."""

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @classmethod
    def parse(cls, raw: bytes, media_type: str = "") -> Manifest:
        document = _versioned(raw, "manifest")
        return cls(
            raw=raw,
            media_type=media_type or typed(document, "mediaType", str, "manifest"),
            config=Descriptor.of(document.get("config")),
            layers=tuple(Descriptor.of(item) for item in typed(document, "layers", list, "manifest")),
        )


class Index(Value):
    """Manifests, usually one a platform."""

    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]

    @classmethod
    def parse(cls, raw: bytes, media_type: str = "") -> Index:
        document = _versioned(raw, "index")
        return cls(
            raw=raw,
            media_type=media_type or typed(document, "mediaType", str, "index"),
            manifests=tuple(Descriptor.of(item) for item in typed(document, "manifests", list, "index")),
        )


def _versioned(raw: bytes, what: str) -> dict[str, Any]:
    document = parse_json(raw, what)
    if not isinstance(document, dict):
        raise Invalid(f"invalid {what}: not an object")
    if document.get("schemaVersion") != 2:
        raise Invalid(f"invalid {what}: schemaVersion {document.get('schemaVersion')!r:.20} is not 2")
    return document
