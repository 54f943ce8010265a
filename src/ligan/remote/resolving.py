"""From a reference to the manifest that it means for one platform."""

from __future__ import annotations

from ligan.errors import Invalid, NotFound, Unsupported
from ligan.oci.documents import (
    DOCKER_CONFIG,
    INDEX_TYPES,
    MANIFEST_TYPES,
    MAX_DOCUMENT_SIZE,
    OCI_CONFIG,
    SCHEMA1_TYPES,
    Index,
    Manifest,
    parse_json,
)
from ligan.oci.platform import best
from ligan.remote.faults import BadAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.oci.digest import Digest
    from ligan.oci.documents import Descriptor
    from ligan.oci.platform import Platform
    from ligan.remote.places import Origin
    from ligan.remote.repository import FetchedManifest

MAX_DEPTH = 8
"""Indexes within indexes: more are a mistake or a trap."""

_CONFIG_TYPES = (OCI_CONFIG, DOCKER_CONFIG, "application/octet-stream", "")
"""What Docker takes for the config of an image (engine 20.10, schema2.MediaTypeImageConfig and around it)."""


def kind_of(manifest: FetchedManifest) -> str:
    """Return the media type of a document: the registry's word, else its own, else what its members say.

    Raises BadAnswer for one that could be taken for something else by others, to whom the registry has
    another word for it, or none (CVE-2021-41190).
    """
    document = parse_json(manifest.raw, "manifest")
    if not isinstance(document, dict):
        raise BadAnswer("invalid manifest: not an object")
    stated = document.get("mediaType")
    media_type = manifest.media_type
    if media_type not in (*MANIFEST_TYPES, *INDEX_TYPES, *SCHEMA1_TYPES):
        if document.get("schemaVersion") == 1:
            media_type = SCHEMA1_TYPES[0]
        elif isinstance(stated, str) and stated:
            media_type = stated
        elif not media_type:
            media_type = INDEX_TYPES[0] if "manifests" in document else MANIFEST_TYPES[0]
    elif isinstance(stated, str) and stated not in ("", media_type) and media_type not in SCHEMA1_TYPES:
        raise BadAnswer(f"if present, mediaType in manifest should be '{media_type}' not '{stated}'")
    for types, others, words in _OTHERS:
        if media_type in types and any(document.get(name) is not None for name in others):
            raise BadAnswer(f'media-type: "{media_type}" should not have {words}')
    return media_type


_OTHERS = (
    (MANIFEST_TYPES, ("manifests", "fsLayers"), '"manifests" or "fsLayers"'),
    (INDEX_TYPES, ("config", "layers", "fsLayers"), '"config", "layers", or "fsLayers"'),
)
"""Which kinds of documents have no such members, and Docker's words for that (engine 20.10, distribution)."""


def check_type(media_type: str, name: str) -> None:
    """Raise what Docker says of a document that it cannot pull. `name` is that of the image."""
    if media_type in SCHEMA1_TYPES:
        raise Unsupported(
            "[DEPRECATION NOTICE] Docker Image Format v1 and Docker Image manifest version 2, "
            "schema 1 support is disabled by default and will be removed in an upcoming release. "
            f"Suggest the author of {name} to upgrade the image to the OCI Format or "
            "Docker Image manifest v2, schema 2. More information at https://docs.docker.com/go/deprecated-image-specs/"
        )
    if media_type not in (*MANIFEST_TYPES, *INDEX_TYPES):
        raise Unsupported(f"unsupported manifest format: {media_type}")


def image_manifest(
    repository: Origin, fetched: FetchedManifest, platform: Platform, name: str
) -> tuple[Digest, Manifest]:
    """Return the manifest for the platform, and its digest, through as many indexes as there are.

    Raises NotFound in Docker's words where none is for it, Unsupported for what is no image.
    """
    for _level in range(MAX_DEPTH):
        media_type = kind_of(fetched)
        check_type(media_type, name)
        if media_type not in INDEX_TYPES:
            manifest = Manifest.parse(fetched.raw, media_type)
            check_config(manifest)
            return fetched.digest, manifest
        chosen = _choose(Index.parse(fetched.raw, media_type), platform)
        fetched = repository.get_manifest(chosen.digest)
        if len(fetched.raw) != chosen.size:
            raise BadAnswer(
                f"manifest verification failed for digest {chosen.digest}: "
                f"expected {chosen.size} bytes, got {len(fetched.raw)}"
            )
    raise Invalid(f"indexes are nested more than {MAX_DEPTH} deep")


def _choose(index: Index, platform: Platform) -> Descriptor:
    place = best([entry.platform for entry in index.manifests], platform)
    if place is None:
        raise NotFound(f"no matching manifest for {platform} in the manifest list entries")
    return index.manifests[place]


def check_config(manifest: Manifest) -> None:
    """Raise what Docker says of a manifest that is no image's."""
    media_type = manifest.config.media_type
    if media_type not in _CONFIG_TYPES:
        kind = _CLASSES.get(media_type, "unknown")
        raise Unsupported(f'Encountered remote "{media_type}"({kind}) when fetching')


_CLASSES = {
    "application/vnd.docker.plugin.v1+json": "plugin",
    "application/vnd.docker.plugin.v0+json": "plugin",
}
"""What Docker calls other media types of configs (engine 20.10, distribution/registry.go)."""


def verified_config(repository: Origin, descriptor: Descriptor) -> bytes:
    """Return the bytes of an image's config. Raises BadAnswer where they are not what the descriptor says."""
    digest = descriptor.digest
    if descriptor.size > MAX_DOCUMENT_SIZE:
        raise BadAnswer(f"the image's config has {descriptor.size} bytes, more than {MAX_DOCUMENT_SIZE}")
    with repository.open_blob(digest, descriptor.size) as stream:
        raw = b"".join(iter(lambda: stream.read(MAX_DOCUMENT_SIZE), b""))
    hasher = digest.new_hash()
    hasher.update(raw)
    if f"{digest.algorithm}:{hasher.hexdigest()}" != digest:
        raise BadAnswer(f"image config verification failed for digest {digest}")
    return raw
