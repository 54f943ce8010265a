"""Where images can be copied from besides registries: OCI layouts, archives, and the store.

Each is read as a repository is, so that what pulls from the one pulls from the other.
"""

from __future__ import annotations

import os

from ligan.errors import Invalid, NotFound
from ligan.images.archive import CONTAINERD_NAME, REF_NAME, docker_images
from ligan.images.source import ExtentReader, read_document
from ligan.oci.digest import Digest, sha256
from ligan.oci.documents import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, Index
from ligan.oci.gojson import go_json
from ligan.remote.faults import BadAnswer
from ligan.remote.origins import LAYER_TYPES, NO_COMPRESSION
from ligan.remote.repository import FetchedManifest
from ligan.store.blobs import MissingBlob
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from ligan.images.source import Extent, Source
    from ligan.oci.documents import ImageConfig
    from ligan.remote.fetch import Stream
    from ligan.remote.origins import Form
    from ligan.remote.push import Prepared
    from ligan.store.layout import Layout

    class Origin(Protocol):
        """What a pull or copy reads of a repository; `path` is what it is called in messages."""

        @property
        def path(self) -> str: ...
        def stop(self) -> None: ...
        def head_manifest(self, reference: str) -> Descriptor | None: ...
        def get_manifest(self, reference: str) -> FetchedManifest: ...
        def open_blob(
            self,
            digest: Digest,
            size: int,
            offset: int = 0,
            waiting: Callable[[float], None] | None = None,
        ) -> Stream: ...


class _Place:
    """The part that all places have in common. A reference that is no digest means the chosen image."""

    def __init__(self, path: str, root: FetchedManifest) -> None:
        self.path = path
        self._root = root

    def stop(self) -> None:
        """Nothing is waited for here that could be broken off."""

    def head_manifest(self, reference: str) -> Descriptor | None:
        fetched = self.get_manifest(reference)
        return Descriptor(fetched.media_type, fetched.digest, len(fetched.raw), None, {})

    def get_manifest(self, reference: str) -> FetchedManifest:
        if ":" not in reference or reference == self._root.digest:
            return self._root
        return FetchedManifest(self._document(Digest(reference)), "", Digest(reference))

    def _document(self, digest: Digest) -> bytes:
        raise NotFound(f"{self.path} has no manifest {digest}")


class LayoutPlace(_Place):
    """An image of an OCI layout: a folder, or an archive of one (image-spec, image-layout.md)."""

    def __init__(self, path: str, source: Source, tag: str) -> None:
        """Raises NotFound where no image has the tag, or without one where there is not just one image."""
        self._source = source
        self.path = path
        entry = _entry(Index.parse(read_document(source, "index.json")), path, tag)
        super().__init__(path, FetchedManifest(self._document(entry.digest), entry.media_type, entry.digest))

    def _document(self, digest: Digest) -> bytes:
        raw = read_document(self._source, _blob(digest))
        hasher = digest.new_hash()
        hasher.update(raw)
        if f"{digest.algorithm}:{hasher.hexdigest()}" != digest:
            raise BadAnswer(f"manifest verification failed for digest {digest}")
        return raw

    def open_blob(
        self, digest: Digest, size: int, offset: int = 0, waiting: Callable[[float], None] | None = None
    ) -> Stream:
        """Open a blob. Its bytes are for the reader to verify."""
        return _ExtentStream(self._source.open(_blob(digest)), size, offset)


def _entry(index: Index, path: str, tag: str) -> Descriptor:
    if not tag:
        if len(index.manifests) == 1:
            return index.manifests[0]
        raise NotFound(f"{path} has {len(index.manifests)} images: name one by its tag")
    for entry in index.manifests:
        names = [entry.annotations.get(key, "") for key in (CONTAINERD_NAME, REF_NAME)]
        if any(name == tag or name.endswith(f":{tag}") for name in names if name):
            return entry
    raise NotFound(f'{path} has no image with the tag "{tag}"')


def _blob(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


class ArchivePlace(_Place):
    """An image of a docker-archive. It has no manifest, so one is made of its layers as they are."""

    def __init__(self, path: str, source: Source, name: str) -> None:
        """Raises NotFound where no image has the name, or without one where there is not just one image."""
        images = [
            image
            for image in docker_images(source)
            if not name or name in [text for tag in image.tags for text in (tag.familiar, tag.canonical)]
        ]
        if len(images) != 1:
            problem = f'no image "{name}"' if name else f"{len(images)} images: name one"
            raise NotFound(f"{path} has {problem}")
        self._source = source
        self._config = images[0].config
        self._members: dict[str, str] = {}
        layers = []
        for member, diff_id in zip(images[0].layers, self._config.diff_ids, strict=True):
            with source.open(member) as extent:
                layer = _layer(extent, diff_id)
            self._members[str(layer["digest"])] = member
            layers.append(layer)
        super().__init__(path, _made_manifest(self._config, layers))

    def open_blob(
        self, digest: Digest, size: int, offset: int = 0, waiting: Callable[[float], None] | None = None
    ) -> Stream:
        """Open a blob. Its bytes are for the reader to verify."""
        if digest == self._config.id:
            return _Bytes(self._config.raw[offset:])
        return _ExtentStream(self._source.open(self._members[digest]), size, offset)


def _layer(extent: Extent, diff_id: Digest) -> dict[str, object]:
    """Return the descriptor of a layer of an archive. A plain tar is known by its diff ID."""
    compression = extent.compression()
    if compression is None:
        return {"mediaType": OCI_LAYER, "digest": diff_id, "size": extent.size}
    if compression not in LAYER_TYPES:
        raise Invalid(f"a layer that is compressed with {compression} has no media type: load the archive")
    from hashlib import sha256 as new_hash

    hasher = new_hash()
    for chunk in extent.chunks():
        hasher.update(chunk)
    digest = f"sha256:{hasher.hexdigest()}"
    return {"mediaType": LAYER_TYPES[compression], "digest": digest, "size": extent.size}


class StorePlace(_Place):
    """An image of the store: by the manifest that it was pulled by, if its layers were kept as they came."""

    def __init__(self, path: str, layout: Layout, image: Prepared) -> None:
        self._layout = layout
        self._config = image.config
        forms = {layer.diff_id: [form for form in layer.forms if form.is_kept] for layer in image.layers}
        for manifest in image.manifests:
            kept = [form.digest for diff_id in image.config.diff_ids for form in forms[diff_id]]
            if all(layer.digest in kept for layer in manifest.layers):
                root = FetchedManifest(manifest.raw, manifest.media_type, sha256(manifest.raw))
                break
        else:
            root = _made_manifest(
                image.config, [_stored(layout, diff_id, forms[diff_id]) for diff_id in image.config.diff_ids]
            )
        super().__init__(path, root)

    def open_blob(
        self, digest: Digest, size: int, offset: int = 0, waiting: Callable[[float], None] | None = None
    ) -> Stream:
        """Open a blob. Its bytes are for the reader to verify."""
        try:
            file = open(self._layout.blob(digest), "rb", buffering=0)  # noqa: SIM115  # the caller closes it
        except FileNotFoundError:
            raise MissingBlob(
                f"the blob {digest} is gone", "The image was deleted while it was copied."
            ) from None
        file.seek(offset)
        return file


def _stored(layout: Layout, diff_id: Digest, kept: Sequence[Form]) -> dict[str, object]:
    for form in kept:
        return {"mediaType": LAYER_TYPES[form.compressor], "digest": form.digest, "size": form.size}
    size = os.stat(layout.blob(diff_id)).st_size
    return {"mediaType": LAYER_TYPES[NO_COMPRESSION], "digest": diff_id, "size": size}


def _made_manifest(config: ImageConfig, layers: Sequence[dict[str, object]]) -> FetchedManifest:
    raw = go_json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": config.id, "size": len(config.raw)},
            "layers": list(layers),
        }
    )
    return FetchedManifest(raw, OCI_MANIFEST, sha256(raw))


class _Bytes:
    """A document as a stream."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __enter__(self) -> _Bytes:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def read(self, count: int, /) -> bytes:
        data, self._data = self._data[:count], self._data[count:]
        return data

    def close(self) -> None:
        """Nothing is open."""


class _ExtentStream:
    """A member of an archive, or a file of a layout, as a stream."""

    def __init__(self, extent: Extent, size: int, offset: int) -> None:
        """Raises BadAnswer where it has another size than its descriptor says."""
        self._extent = extent
        if extent.size != size:
            self.close()
            raise BadAnswer(f"a blob has {extent.size} bytes instead of the {size} of its descriptor")
        self._reader = ExtentReader(extent, lambda _count: None)
        while offset and (data := self._reader.read(offset)):
            offset -= len(data)

    def __enter__(self) -> _ExtentStream:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def read(self, count: int, /) -> bytes:
        return self._reader.read(count)

    def close(self) -> None:
        self._extent.__exit__()


class Name(Value):
    """A place as people write it: `kind:path[:tag]`, or without a kind a name in a registry."""

    kind: str
    path: str
    tag: str


REGISTRY = "docker"
_KINDS = ("oci", "oci-archive", "docker-archive", "store")


def parse_place(text: str) -> Name:
    """Raises Invalid for a kind without a path."""
    kind, colon, rest = text.partition(":")
    if not colon or kind not in _KINDS:
        return Name(REGISTRY, text.removeprefix("docker://"), "")
    if not rest:
        raise Invalid(f'"{text}" names no {"image" if kind == "store" else "file"}')
    if kind == "store":
        return Name(kind, rest, "")
    path, _colon, tag = rest.partition(":")
    return Name(kind, path, tag)
