"""What an archive of images says, in the four forms that are about.

- docker-archive: `manifest.json` names a config, layers and tags an image. The
  layout of engine 20.10 and before, and that of 25 and later, differ in paths only.
- OCI layout (image-spec, image-layout.md): `index.json`, documents by digest.
- the archive of engines before 1.10: `ligan.images.legacy`.

Documents are read image by image, so that what is wrong with the second does
not hide the first, as with Docker.
"""

from __future__ import annotations

from ligan.errors import Corrupt, Invalid, NotFound, Unsupported
from ligan.images.source import read_document
from ligan.oci.digest import DigestMismatch
from ligan.oci.documents import (
    DOCKER_CONFIG,
    INDEX_TYPES,
    OCI_CONFIG,
    ImageConfig,
    Index,
    Manifest,
    parse_json,
    typed,
)
from ligan.oci.reference import parse, parse_tag_target
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from ligan.images.source import Source
    from ligan.oci.digest import Digest
    from ligan.oci.documents import Descriptor
    from ligan.oci.platform import Platform
    from ligan.oci.reference import Reference

CONTAINERD_NAME = "io.containerd.image.name"
"""The annotation of a descriptor that holds a whole canonical reference."""
REF_NAME = "org.opencontainers.image.ref.name"
"""The annotation of a descriptor that holds a tag, or with some tools a whole reference."""

_MAX_INDEX_DEPTH = 8


class ArchivedImage(Value):
    """One image of an archive: `layers` are member names, bottom first; `parent` an image ID or empty."""

    config: ImageConfig
    layers: tuple[str, ...]
    tags: tuple[Reference, ...]
    parent: str = ""


def is_docker_archive(source: Source) -> bool:
    return source.has("manifest.json")


def is_oci_layout(source: Source) -> bool:
    return source.has("index.json")


def docker_images(source: Source) -> Iterator[ArchivedImage]:
    """Yield the images of a docker-archive, in the order of `manifest.json`."""
    what = "manifest.json"
    manifest = parse_json(read_document(source, what), what)
    if manifest is None:
        raise Invalid("invalid manifest, manifest cannot be null (but can be [])")
    if not isinstance(manifest, list) or not all(isinstance(item, dict) for item in manifest):
        raise Invalid("invalid manifest.json: not a list of objects")
    for item in manifest:
        config = ImageConfig.parse(read_document(source, typed(item, "Config", str, what)))
        layers = _texts(item, "Layers", what)
        check_loadable(config, len(layers))
        tags = tuple(_tag(text) for text in _texts(item, "RepoTags", what))
        yield ArchivedImage(config, layers, tags, typed(item, "Parent", str, what))


def _texts(item: dict[str, Any], key: str, what: str) -> tuple[str, ...]:
    texts = typed(item, key, list, what)
    if not all(isinstance(text, str) for text in texts):
        raise Invalid(f"invalid {what}: {key} is not a list of strings")
    return tuple(texts)


def _tag(text: str) -> Reference:
    if not parse(text).tag:
        raise Invalid(f'invalid tag "{text}"')
    return parse_tag_target(text)


def check_loadable(config: ImageConfig, layers: int) -> None:
    """Raise Docker's errors for an image of another system, or with a layer too many or too few."""
    check_os(config.platform.os)
    if len(config.diff_ids) != layers:
        raise Invalid(
            f"invalid manifest, layers length mismatch: expected {layers}, got {len(config.diff_ids)}"
        )


def check_os(os: str) -> None:
    if os not in ("", "linux"):
        raise Invalid(f"cannot load {os} image on linux")


def oci_images(source: Source, platform: Platform, note: Callable[[str], None]) -> Iterator[ArchivedImage]:
    """Yield the images of an OCI layout in the order of `index.json`, one of several names once.

    Of manifests that differ by platform the one for `platform` is taken; `note`
    is told what is left out. Raises NotFound where none is for it, Unsupported
    for what is no image.
    """
    alternatives: dict[str, list[Descriptor]] = {}
    references: dict[str, Reference] = {}
    for descriptor in Index.parse(read_document(source, "index.json")).manifests:
        reference = _name(descriptor, note)
        key = reference.canonical if reference else descriptor.digest
        alternatives.setdefault(key, []).append(descriptor)
        if reference:
            references[key] = reference
    chosen: dict[Digest, Descriptor] = {}
    names: dict[Digest, list[Reference]] = {}
    for key, descriptors in alternatives.items():
        descriptor = _choose(descriptors, platform, note)
        chosen[descriptor.digest] = descriptor
        names.setdefault(descriptor.digest, []).extend([references[key]] if key in references else [])
    for digest, descriptor in chosen.items():
        yield _oci_image(source, _manifest(source, descriptor, platform, note), tuple(names[digest]))


def _name(descriptor: Descriptor, note: Callable[[str], None]) -> Reference | None:
    text = descriptor.annotations.get(CONTAINERD_NAME) or descriptor.annotations.get(REF_NAME, "")
    if not text:
        return None
    try:
        # A bare word is a tag without a repository: "latest" must not become "latest:latest".
        if parse(text).tag:
            return parse_tag_target(text)
    except Invalid:
        pass
    note(f'{descriptor.digest} is not tagged: its name in the archive, "{text}", is no repository with a tag')
    return None


def _choose(descriptors: Sequence[Descriptor], platform: Platform, note: Callable[[str], None]) -> Descriptor:
    """Return the manifest for the platform; the only one there is serves any."""
    images = list({each.digest: each for each in descriptors if not _is_attestation(each)}.values())
    if len(images) == 1:
        return images[0]
    fitting = [each for each in images if each.platform is None or each.platform.satisfies(platform)]
    if not fitting:
        raise NotFound(f"no matching manifest for {platform} in the manifest list entries")
    for other in images:
        if other is not fitting[0]:
            note(f"{other.digest} for {other.platform or 'any platform'} is left out: {platform} was chosen")
    return fitting[0]


def _is_attestation(descriptor: Descriptor) -> bool:
    """What BuildKit adds beside an image, for a platform that no host has."""
    return descriptor.platform is not None and descriptor.platform.os == "unknown"


def _manifest(
    source: Source, descriptor: Descriptor, platform: Platform, note: Callable[[str], None]
) -> Manifest:
    for _level in range(_MAX_INDEX_DEPTH):
        raw = _document(source, descriptor)
        if descriptor.media_type not in INDEX_TYPES:
            return Manifest.parse(raw, descriptor.media_type)
        descriptor = _choose(Index.parse(raw, descriptor.media_type).manifests, platform, note)
    raise Invalid(f"indexes are nested more than {_MAX_INDEX_DEPTH} deep")


def _oci_image(source: Source, manifest: Manifest, names: tuple[Reference, ...]) -> ArchivedImage:
    if manifest.config.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
        raise Unsupported(f'not an image: its config is of type "{manifest.config.media_type}"')
    config = ImageConfig.parse(_document(source, manifest.config))
    check_loadable(config, len(manifest.layers))
    for layer in manifest.layers:
        _check_size(source, layer)
    return ArchivedImage(config, tuple(_blob(layer.digest) for layer in manifest.layers), names)


def _blob(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _document(source: Source, descriptor: Descriptor) -> bytes:
    raw = read_document(source, _blob(descriptor.digest))
    hasher = descriptor.digest.new_hash()
    hasher.update(raw)
    actual = f"{descriptor.digest.algorithm}:{hasher.hexdigest()}"
    if actual != descriptor.digest:
        raise DigestMismatch(_blob(descriptor.digest), descriptor.digest, actual)
    return raw


def _check_size(source: Source, layer: Descriptor) -> None:
    """A layer that is not in the archive is no fault yet: the store may have it."""
    name = _blob(layer.digest)
    if source.has(name):
        with source.open(name) as extent:
            if extent.size != layer.size:
                raise Corrupt(f"{name}: expected {layer.size} bytes, got {extent.size}")
