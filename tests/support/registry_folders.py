"""Folders as `registry:2` and others leave them, written file by file, and `registry:2` itself on one."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ligan.registry.index.database import open_index
from ligan.registry.recovery import lock_registry, open_registry, recover
from tests.support import registry as real_registry
from tests.support.ligan_registry import OCI_INDEX, OCI_MANIFEST, Client, digest_of, image_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.registry.adopting import Taken

NOW = 1_800_000_000 * 10**9


class RegistryFolder:
    """Writes blobs and links. Digests that it returns are by SHA-256."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.v2 = f"{root}/docker/registry/v2"

    def write(self, path: str, data: bytes) -> None:
        path = f"{self.v2}/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def blob(self, data: bytes) -> str:
        digest = digest_of(data)
        self.write(f"blobs/sha256/{digest[7:9]}/{digest[7:]}/data", data)
        return digest

    def link(self, repository: str, folder: str, digest: str) -> None:
        self.write(f"repositories/{repository}/{folder}/link", digest.encode())

    def layer(self, repository: str, data: bytes) -> str:
        digest = self.blob(data)
        self.link(repository, f"_layers/sha256/{digest[7:]}", digest)
        return digest

    def manifest(self, repository: str, raw: bytes, *tags: str) -> str:
        digest = self.blob(raw)
        self.link(repository, f"_manifests/revisions/sha256/{digest[7:]}", digest)
        for tag in tags:
            self.tag(repository, tag, digest)
        return digest

    def tag(self, repository: str, tag: str, digest: str) -> None:
        self.link(repository, f"_manifests/tags/{tag}/index/sha256/{digest[7:]}", digest)
        self.link(repository, f"_manifests/tags/{tag}/current", digest)

    def image(
        self, repository: str, *tags: str, layers: tuple[bytes, ...] = (b"a layer",), **fields: Any
    ) -> str:
        config = json.dumps({"tags": tags, "of": digest_of(b"".join(layers))}).encode()
        for data in (config, *layers):
            self.layer(repository, data)
        return self.manifest(repository, image_manifest(config, *layers, **fields), *tags)

    def index(self, repository: str, *tags: str, children: tuple[str, ...]) -> str:
        manifests = [
            {"mediaType": OCI_MANIFEST, "digest": child, "size": self.size(child)} for child in children
        ]
        raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).encode()
        return self.manifest(repository, raw, *tags)

    def size(self, digest: str) -> int:
        """Return a blob's bytes; of one that is not here some number."""
        try:
            return os.path.getsize(f"{self.v2}/blobs/sha256/{digest[7:9]}/{digest[7:]}/data")
        except FileNotFoundError:
            return 1234

    def remove(self, path: str) -> None:
        os.unlink(f"{self.v2}/{path}")

    def state(self) -> dict[str, tuple[int, bytes]]:
        """Return every file with its time and its bytes, and every folder."""
        found: dict[str, tuple[int, bytes]] = {}
        for folder, _names, files in os.walk(self.v2):
            found[folder] = (0, b"")
            for name in files:
                path = f"{folder}/{name}"
                with open(path, "rb") as file:
                    found[path] = (os.stat(path).st_mtime_ns, file.read())
        return found


def take_over(root: str) -> Taken:
    """Do what a start does, until disk and index agree."""
    storage = open_registry(root)
    lock = lock_registry(storage)
    index = open_index(storage.index)
    try:
        return recover(index, storage, NOW, lambda *_progress: None)
    finally:
        index.close()
        os.close(lock)


@contextmanager
def registry_2(root: str) -> Iterator[Client]:
    """Serve a folder by docker-registry, which may delete."""
    folder = tempfile.mkdtemp(dir=os.path.dirname(root))
    os.makedirs(root, exist_ok=True)
    os.symlink(root, f"{folder}/data")
    with real_registry.running(folder) as address:
        yield Client(address)


def collect_garbage(root: str, *flags: str) -> None:
    """Run docker-registry's garbage collector on a folder."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(
            f"version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {root}}}\n"
        )
        file.flush()
        command = ["docker-registry", "garbage-collect", *flags, file.name]
        subprocess.run(command, check=True, capture_output=True)
