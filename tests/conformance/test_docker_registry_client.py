"""Ligan's client against the distribution project's registry, Debian's docker-registry."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
import trustme

from ligan.oci.digest import Digest, sha256
from ligan.oci.documents import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from ligan.remote.endpoint import RemoteSettings
from ligan.remote.faults import NotThere, RefusedInput
from ligan.remote.repository import Registry
from tests.support import registry as real_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ligan.remote.writing import WritableRepository

pytestmark = pytest.mark.docker_registry

BLOB = random.Random(4).randbytes(5 << 20)
DIGEST = sha256(BLOB)
CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with (
        real_registry.running(str(tmp_path_factory.mktemp("registry"))) as host,
        Registry.open(host, RemoteSettings()) as client,
    ):
        yield client


def chunks() -> Iterator[bytes]:
    for start in range(0, len(BLOB), 1 << 20):
        yield BLOB[start : start + (1 << 20)]


def push_manifest(repository: WritableRepository, tag: str, media_type: str = OCI_MANIFEST) -> bytes:
    repository.upload_blob(lambda: [CONFIG], len(CONFIG), sha256(CONFIG))
    config = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": sha256(CONFIG),
        "size": len(CONFIG),
    }
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}
    raw = json.dumps(manifest, indent=3).encode()
    assert repository.put_manifest(tag, raw, media_type) == sha256(raw)
    return raw


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "found out on the way"])
def test_docker_registry_takes_and_gives_a_blob(registry: Registry, is_known: bool) -> None:
    repository = registry.writable(f"blob/{is_known}".lower())
    assert repository.blob_exists(DIGEST) is None
    if is_known:
        repository.upload_blob(chunks, len(BLOB), DIGEST)
    else:
        repository.upload_blob(chunks, None, lambda: DIGEST)
    assert repository.blob_exists(DIGEST) == len(BLOB)
    for offset in (0, 1, len(BLOB) - 1):
        with repository.open_blob(DIGEST, len(BLOB), offset) as stream:
            assert b"".join(iter(lambda stream=stream: stream.read(1 << 16), b"")) == BLOB[offset:]  # type: ignore[misc]


def test_docker_registry_refuses_a_blob_of_another_digest(registry: Registry) -> None:
    with pytest.raises(RefusedInput, match="digest invalid: provided digest did not match uploaded content"):
        registry.writable("wrong").upload_blob(lambda: [b"x"], 1, DIGEST)


def test_docker_registry_mounts_what_another_repository_has(registry: Registry) -> None:
    registry.writable("mount/from").upload_blob(chunks, len(BLOB), DIGEST)
    target = registry.writable("mount/to")
    assert target.mount_blob(DIGEST, "mount/from") is True
    assert target.blob_exists(DIGEST) == len(BLOB)
    assert target.mount_blob(sha256(b"nowhere"), "mount/from") is False


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_docker_registry_gives_manifests_as_they_were(registry: Registry, media_type: str) -> None:
    repository = registry.writable("manifests")
    assert repository.head_manifest("absent") is None
    raw = push_manifest(repository, "v1", media_type)
    found = repository.head_manifest("v1")
    assert found is not None
    assert (found.media_type, found.digest, found.size) == (media_type, sha256(raw), len(raw))
    for reference in ("v1", sha256(raw)):
        manifest = repository.get_manifest(reference)
        assert (manifest.raw, manifest.media_type, manifest.digest) == (raw, media_type, sha256(raw))


def test_docker_registry_gives_an_index_as_it_is(registry: Registry) -> None:
    repository = registry.writable("index")
    entry = {"mediaType": OCI_MANIFEST, "digest": sha256(push_manifest(repository, "one"))}
    entry["size"] = len(repository.get_manifest("one").raw)  # type: ignore[assignment]
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
    repository.put_manifest("all", raw, OCI_INDEX)
    assert repository.get_manifest("all").media_type == OCI_INDEX
    assert repository.get_manifest("all").raw == raw


def test_docker_registry_lists_tags(registry: Registry) -> None:
    repository = registry.writable("tags")
    names = [f"v{number}" for number in range(5)]
    for name in names:
        push_manifest(repository, name)
    assert sorted(repository.tags()) == names


@pytest.mark.parametrize(
    ("reference", "words"),
    [("absent", "manifest unknown: manifest unknown"), (Digest("sha256:" + "0" * 64), "manifest unknown: ")],
)
def test_docker_registry_says_what_it_does_not_know(registry: Registry, reference: str, words: str) -> None:
    with pytest.raises(NotThere, match=words) as caught:
        registry.repository("absent").get_manifest(reference)
    assert not caught.value.is_bare
    with pytest.raises(NotThere, match="name unknown: repository name not known to registry"):
        list(registry.repository("absent").tags())


def test_docker_registry_by_tls_is_found(tmp_path: Path) -> None:
    """What is asked first on this machine, in the clear, it answers with 400."""
    certificate = tmp_path / "registry.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    with (
        real_registry.running(f"{tmp_path}/registry", certificate=str(certificate)) as host,
        Registry.open(host, RemoteSettings()) as client,
    ):
        assert client.url == f"https://{host}/v2/"
        repository = client.writable("app")
        repository.upload_blob(chunks, len(BLOB), DIGEST)
        with repository.open_blob(DIGEST, len(BLOB)) as stream:
            assert b"".join(iter(lambda: stream.read(1 << 16), b"")) == BLOB
