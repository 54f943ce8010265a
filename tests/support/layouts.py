"""Image archives of the other kinds: OCI layouts, layouts of Docker 25, archives from before 1.10."""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING, Any

from tests.support import archives, tars

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Layout:
    """The files of an OCI layout in the making."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        self.entries: list[dict[str, Any]] = []

    def blob(self, data: bytes, media_type: str, **more: object) -> dict[str, Any]:
        """Add a blob; returns its descriptor, with `more` in it."""
        name = archives.digest(data)
        self.files[path(name)] = data
        return {"mediaType": media_type, "digest": name, "size": len(data), **more}

    def manifest(self, image: archives.Image, *, compress: bool = False, **more: object) -> dict[str, Any]:
        """Add an image's blobs; returns the descriptor of its manifest."""
        layers = [gzip.compress(tar, 1, mtime=0) if compress else tar for tar in image.layers]
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(image.config, CONFIG),
            "layers": [self.blob(layer, LAYER + "+gzip" * compress) for layer in layers],
        }
        return self.blob(json.dumps(document).encode(), MANIFEST, **more)

    def index(self, entries: Iterable[dict[str, Any]], **more: object) -> dict[str, Any]:
        """Add an index as a blob; returns its descriptor."""
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}
        return self.blob(json.dumps(document).encode(), INDEX, **more)

    def finish(self) -> dict[str, bytes]:
        """Return all files, `index.json` naming `entries`."""
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.entries}
        return {**self.files, "index.json": json.dumps(document).encode()}


def path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def named(name: str) -> dict[str, str]:
    """Return the annotations by which containerd and Docker name an image."""
    return {
        "io.containerd.image.name": f"docker.io/library/{name}",
        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
    }


def platform(architecture: str, variant: str = "", system: str = "linux") -> dict[str, str]:
    found = {"architecture": architecture, "os": system}
    return {**found, "variant": variant} if variant else found


def as_tar(files: Mapping[str, bytes]) -> bytes:
    return b"".join(tars.entry(name, data=data) for name, data in files.items()) + tars.END


def as_folder(files: Mapping[str, bytes], folder: str) -> str:
    for name, data in files.items():
        target = os.path.join(folder, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(data)
    return folder


def legacy_files(images: Iterable[tuple[str, dict[str, Any], bytes]], tags: object) -> dict[str, bytes]:
    """Return the files of an archive from before 1.10: of each image its v1 ID, its `json` and its layer."""
    files: dict[str, bytes] = {}
    for identity, document, layer in images:
        files[f"{identity}/VERSION"] = b"1.0"
        files[f"{identity}/json"] = json.dumps({"id": identity, **document}).encode()
        files[f"{identity}/layer.tar"] = layer
    return {**files, "repositories": json.dumps(tags).encode()}
