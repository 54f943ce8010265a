"""Write a folder of registry:2 with many manifests: `python -m bench.registries FOLDER MANIFESTS`.

In a process of its own: see `bench.measure`. Nothing is synced.
"""

from __future__ import annotations

import os
import sys

from tests.support.ligan_registry import digest_of, image_manifest

TAGS = 200
"""How many a repository has. Each image has a layer of its own, and one that all have."""

CONFIG, SHARED = b"{}", b"shared" * 1000


class Folder:
    """Folders and links of registry:2, each made once."""

    def __init__(self, root: str) -> None:
        self._v2 = f"{root}/docker/registry/v2"
        self._made: set[str] = set()

    def write(self, path: str, data: bytes) -> None:
        self._make(os.path.dirname(path))
        with open(f"{self._v2}/{path}", "wb", buffering=0) as file:
            file.write(data)

    def _make(self, path: str) -> None:
        if path in self._made:
            return
        self._made.add(path)
        if path.count("/") < 2:
            os.makedirs(f"{self._v2}/{path}", exist_ok=True)
            return
        self._make(os.path.dirname(path))
        os.mkdir(f"{self._v2}/{path}")

    def blob(self, data: bytes) -> str:
        digest = digest_of(data)
        self.write(f"blobs/sha256/{digest[7:9]}/{digest[7:]}/data", data)
        return digest

    def link(self, path: str, digest: str) -> None:
        self.write(f"{path}/link", digest.encode())


def write(root: str, manifests: int) -> None:
    folder = Folder(root)
    common = [folder.blob(data) for data in (CONFIG, SHARED)]
    for number in range(manifests):
        repository, tag = f"repositories/many/app-{number // TAGS}", f"v{number % TAGS}"
        own = b"%d" % number
        for digest in (*common, folder.blob(own)) if tag == "v0" else (folder.blob(own),):
            folder.link(f"{repository}/_layers/sha256/{digest[7:]}", digest)
        digest = folder.blob(image_manifest(CONFIG, SHARED, own))
        folder.link(f"{repository}/_manifests/revisions/sha256/{digest[7:]}", digest)
        folder.link(f"{repository}/_manifests/tags/{tag}/current", digest)
        folder.link(f"{repository}/_manifests/tags/{tag}/index/sha256/{digest[7:]}", digest)


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]))
