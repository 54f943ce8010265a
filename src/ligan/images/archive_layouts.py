"""The three layouts in which images are saved, as lists of members. Pure.

`docker` is what engine 20.10 writes, member by member. `docker-25` is that of
25 and later: an OCI layout that every Docker loads too; unlike Docker's it lists
every image in `index.json` and leaves out blobs that nothing refers to. `oci`
is the layout of the image-spec alone.
"""

from __future__ import annotations

from ligan.images.archive import CONTAINERD_NAME, REF_NAME
from ligan.oci.digest import sha256
from ligan.oci.documents import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from ligan.oci.gojson import go_json
from ligan.oci.identity import V1_EPOCH, chain_ids, v1_id
from ligan.oci.reference import tag_of
from ligan.oci.runconfig import run_config, v1_image
from ligan.oci.times import parse_time
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ligan.oci.digest import Digest
    from ligan.oci.documents import ImageConfig
    from ligan.oci.reference import Reference


class SavedImage(Value):
    """An image to save. `parent` is an image ID of the same archive, or empty."""

    config: ImageConfig
    tags: tuple[Reference, ...]
    parent: str


class Member(Value):
    """A member to write: a folder if the name ends in a slash, a link, a blob of the store, or bytes."""

    name: str
    mtime: int = 0
    data: bytes = b""
    blob: Digest | None = None
    link: str = ""


def docker_members(images: Sequence[SavedImage], _blobs: Mapping[Digest, int]) -> list[Member]:
    """A folder a layer, named by its v1 ID; a layer that was written already is a link to it."""
    members: dict[str, Member] = {}
    written: dict[Digest, str] = {}
    manifest = []
    repositories: dict[str, dict[str, str]] = {}
    for image in images:
        config = image.config
        mtime = _mtime(config)
        layers = _v1_layers(config)
        for (v1, document), diff_id in zip(layers, config.diff_ids, strict=True):
            if f"{v1}/" in members:
                continue
            members[f"{v1}/"] = Member(f"{v1}/", mtime)
            members[f"{v1}/VERSION"] = Member(f"{v1}/VERSION", mtime, b"1.0")
            members[f"{v1}/json"] = Member(f"{v1}/json", mtime, document)
            path = f"{v1}/layer.tar"
            if diff_id in written:
                members[path] = Member(path, mtime, link=f"../{written[diff_id]}")
            else:
                members[path] = Member(path, mtime, blob=diff_id)
                written[diff_id] = path
        members[config.id] = Member(f"{config.id.hex}.json", mtime, config.raw)
        paths = [f"{v1}/layer.tar" for v1, _document in layers]
        manifest.append(_manifest_item(image, f"{config.id.hex}.json", paths))
        _add_tags(repositories, image, layers[-1][0])
    return _sorted([*members.values(), *_manifests(manifest, repositories)])


def _v1_layers(config: ImageConfig) -> list[tuple[str, bytes]]:
    """Return v1 ID and v1 document of each layer, bottom first (engine 20.10, image/tarexport, saveImage)."""
    layers: list[tuple[str, bytes]] = []
    parent = ""
    for position, layer in enumerate(chain_ids(config.diff_ids), 1):
        is_top = position == len(config.diff_ids)
        # Those below the top pretend to be of engine 1.8, so that their IDs do not depend on the image.
        fields = v1_image(config.document) if is_top else {**_BELOW, "container_config": run_config({})}
        identity = v1_id(fields, layer, parent)
        document: dict[str, object] = {"id": identity}
        if parent:
            document["parent"] = parent
        document |= fields
        if config.document.get("os"):
            document["os"] = config.document["os"]
        layers.append((identity, go_json(document)))
        parent = identity
    return layers


_BELOW = {"created": V1_EPOCH}


def docker_25_members(images: Sequence[SavedImage], blobs: Mapping[Digest, int]) -> list[Member]:
    """An OCI layout with Docker's `manifest.json` and `repositories` beside it."""
    manifest = []
    repositories: dict[str, dict[str, str]] = {}
    for image in images:
        layers = image.config.diff_ids
        item = _manifest_item(image, _blob_path(image.config.id), [_blob_path(layer) for layer in layers])
        item["LayerSources"] = {
            layer: _descriptor(OCI_LAYER, layer, blobs[layer]) for layer in sorted(layers)
        }
        manifest.append(item)
        _add_tags(repositories, image, layers[-1].hex)
    return _sorted([*oci_members(images, blobs), *_manifests(manifest, repositories)])


def oci_members(images: Sequence[SavedImage], blobs: Mapping[Digest, int]) -> list[Member]:
    """`oci-layout`, `index.json` and blobs (image-spec, image-layout.md)."""
    members = {"blobs/": Member("blobs/"), "blobs/sha256/": Member("blobs/sha256/")}
    descriptors: list[dict[str, object]] = []
    for image in images:
        config = image.config
        mtime = _mtime(config)
        document = go_json(_oci_manifest(config, blobs))
        digest = sha256(document)
        for layer in config.diff_ids:
            members.setdefault(layer, Member(_blob_path(layer), mtime, blob=layer))
        members[config.id] = Member(_blob_path(config.id), mtime, config.raw)
        members[digest] = Member(_blob_path(digest), data=document)
        descriptor = _descriptor(OCI_MANIFEST, digest, len(document))
        descriptors += [
            {**descriptor, "annotations": {CONTAINERD_NAME: tag.canonical, REF_NAME: tag_of(tag.canonical)}}
            for tag in image.tags
        ] or [descriptor]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}
    layout = Member("oci-layout", data=b'{"imageLayoutVersion": "1.0.0"}')
    return _sorted([*members.values(), layout, Member("index.json", data=go_json(index))])


def _oci_manifest(config: ImageConfig, blobs: Mapping[Digest, int]) -> dict[str, object]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(OCI_CONFIG, config.id, len(config.raw)),
        "layers": [_descriptor(OCI_LAYER, layer, blobs[layer]) for layer in config.diff_ids],
    }


def _descriptor(media_type: str, digest: Digest, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _blob_path(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"


def _manifest_item(image: SavedImage, config: str, layers: list[str]) -> dict[str, object]:
    tags = [tag.familiar for tag in image.tags]
    item: dict[str, object] = {"Config": config, "RepoTags": tags or None, "Layers": layers}
    if image.parent:
        item["Parent"] = image.parent
    return item


def _add_tags(repositories: dict[str, dict[str, str]], image: SavedImage, top: str) -> None:
    for tag in image.tags:
        repositories.setdefault(tag.familiar_repository, {})[tag.tag] = top


def _manifests(manifest: list[dict[str, object]], repositories: dict[str, dict[str, str]]) -> list[Member]:
    members = [Member("manifest.json", data=go_json(manifest) + b"\n")]
    if repositories:
        ordered = {name: dict(sorted(tags.items())) for name, tags in sorted(repositories.items())}
        members.append(Member("repositories", data=go_json(ordered) + b"\n"))
    return members


def _sorted(members: list[Member]) -> list[Member]:
    """Order members as Docker's walk over a folder does: each folder before what is in it."""
    return sorted(members, key=lambda member: member.name.rstrip("/").split("/"))


def _mtime(config: ImageConfig) -> int:
    """Return the seconds at which Docker dates an image's files: never before 1970."""
    return max(0, parse_time(config.created)[0])


LAYOUTS: dict[str, Callable[[Sequence[SavedImage], Mapping[Digest, int]], list[Member]]] = {
    "docker": docker_members,
    "docker-25": docker_25_members,
    "oci": oci_members,
}
