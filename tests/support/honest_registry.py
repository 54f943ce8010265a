"""A small registry in memory that keeps what it is given; tests make it lie by changing what it has."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support import archives
from tests.support.lying_registry import LyingRegistry, reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.lying_registry import Reply, Request

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"


class HonestRegistry(LyingRegistry):
    """`blobs` are by (repository, digest), `manifests` by (repository, tag or digest), with their media type.

    `broken` are digests of blobs whose connection ends half-way, each once.
    """

    def __init__(self) -> None:
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.broken: set[str] = set()
        self._uploads: dict[str, bytes] = {}
        super().__init__(self._serve_request)

    def add_blob(self, repository: str, data: bytes) -> str:
        digest = archives.digest(data)
        self.blobs[repository, digest] = data
        return digest

    def add_manifest(self, repository: str, tag: str, raw: bytes, media_type: str) -> str:
        digest = archives.digest(raw)
        for name in filter(None, (tag, digest)):
            self.manifests[repository, name] = (media_type, raw)
        return digest

    def add_image(
        self,
        repository: str,
        tag: str,
        tars: Sequence[bytes],
        *,
        forms: Sequence[bytes] | None = None,
        layer_type: str = f"{OCI_LAYER}+gzip",
        media_type: str = OCI_MANIFEST,
        **config: Any,
    ) -> str:
        """Store an image of these layers; returns the manifest's digest. `forms` are in the tars' places."""
        packed = forms if forms is not None else [gzip.compress(tar, mtime=0) for tar in tars]
        raw = config_of(tars, **config)
        layers = [_descriptor(layer_type, self.add_blob(repository, data), data) for data in packed]
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": _descriptor(
                "application/vnd.oci.image.config.v1+json", self.add_blob(repository, raw), raw
            ),
            "layers": layers,
        }
        return self.add_manifest(repository, tag, json.dumps(manifest).encode(), media_type)

    def add_index(self, repository: str, tag: str, entries: Iterable[tuple[str, dict[str, str]]]) -> str:
        """Store an index of manifests, each a digest and a platform."""
        manifests = [
            {
                **_descriptor(
                    self.manifests[repository, digest][0], digest, self.manifests[repository, digest][1]
                ),
                **({"platform": platform} if platform else {}),
            }
            for digest, platform in entries
        ]
        raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).encode()
        return self.add_manifest(repository, tag, raw, OCI_INDEX)

    def fetched(self) -> list[str]:
        """Return the digests of the blobs that were asked for by GET, in order."""
        return [path.rpartition("/")[2] for path in self.paths() if "/blobs/" in path]

    def sent(self) -> int:
        """Return how many uploads were begun."""
        return len([path for path in self.paths("POST") if "mount=" not in path])

    def _serve_request(self, request: Request) -> Reply | None:
        parts = urlsplit(request.path)
        path = unquote(parts.path).removeprefix("/v2/")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        for kind in ("/manifests/", "/blobs/uploads/", "/blobs/", "/tags/"):
            repository, found, rest = path.partition(kind)
            if found:
                handle = getattr(self, f"_{kind.strip('/').replace('/', '_')}")
                answer: Reply = handle(request, repository, rest, query)
                return answer
        return None

    def _manifests(self, request: Request, repository: str, name: str, _query: dict[str, str]) -> Reply:
        if request.method == "PUT":
            media_type = request.headers["content-type"]
            digest = self.add_manifest(repository, name, request.body, media_type)
            return reply(201, b"", Docker_Content_Digest=digest)
        if (repository, name) not in self.manifests:
            detail = {"Tag": name}
            error = {"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": detail}
            return _answer(request, 404, json.dumps({"errors": [error]}).encode())
        media_type, raw = self.manifests[repository, name]
        return _answer(request, 200, raw, Content_Type=media_type, Docker_Content_Digest=archives.digest(raw))

    def _blobs(self, request: Request, repository: str, digest: str, _query: dict[str, str]) -> Reply:
        data = self.blobs.get((repository, digest))
        if data is None:
            return _answer(request, 404, b"{}")
        if request.method == "GET" and digest in self.broken:
            self.broken.discard(digest)
            return [reply(200, data)[: -len(data) // 2], b""]
        begin = request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-")
        if begin != "0":
            start = int(begin)
            where = f"bytes {start}-{len(data) - 1}/{len(data)}"
            return reply(206, data[start:], Content_Range=where)
        return _answer(request, 200, data)

    def _blobs_uploads(self, request: Request, repository: str, key: str, query: dict[str, str]) -> Reply:
        if request.method == "POST":
            source = (query.get("from", ""), query.get("mount", ""))
            if source in self.blobs:
                self.blobs[repository, source[1]] = self.blobs[source]
                return reply(201)
            key = str(len(self._uploads))
            self._uploads[key] = b""
            return reply(202, b"", Location=f"/v2/{repository}/blobs/uploads/{key}")
        if request.method == "DELETE":
            return reply(204)
        self._uploads[key] += request.body
        if request.method == "PATCH":
            return reply(202, b"", Location=f"/v2/{repository}/blobs/uploads/{key}")
        data = self._uploads[key]
        if archives.digest(data) != query["digest"]:
            error = {"code": "DIGEST_INVALID", "message": "provided digest did not match uploaded content"}
            return reply(400, {"errors": [error]})
        self.add_blob(repository, data)
        return reply(201, b"", Docker_Content_Digest=query["digest"])

    def _tags(self, _request: Request, repository: str, _rest: str, _query: dict[str, str]) -> Reply:
        tags = [name for place, name in self.manifests if place == repository and ":" not in name]
        return reply(200, {"name": repository, "tags": tags})


def config_of(tars: Sequence[bytes], **changes: Any) -> bytes:
    """Return the config of an image of these layers."""
    document = {
        "architecture": "amd64",
        "config": {"Cmd": ["sh"]},
        "created": "2023-01-02T03:04:05Z",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [archives.digest(tar) for tar in tars]},
    }
    return json.dumps(document | changes).encode()


def _descriptor(media_type: str, digest: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _answer(request: Request, status: int, body: bytes, **headers: str) -> bytes:
    whole = reply(status, body, **headers)
    return whole[: len(whole) - len(body)] if request.method == "HEAD" else whole
