"""What is read of manifests that somebody else has stored."""

from __future__ import annotations

import json

import pytest

from ligan.oci.documents import OCI_INDEX, OCI_MANIFEST
from ligan.registry.stored import Stored, read_stored

DIGEST = f"sha256:{'a' * 64}"


def stored(**fields: object) -> Stored:
    found = read_stored(json.dumps({"schemaVersion": 2, **fields}).encode())
    assert found is not None
    return found


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"{", b'"x"', b"[" * 100_000, b'{"a":' * 100_000, b"\x00", b"NaN"]
)
def test_what_is_no_manifest(raw: bytes) -> None:
    assert read_stored(raw) is None


def test_type_is_what_it_says_or_looks_like() -> None:
    assert stored(mediaType="application/x.y").media_type == "application/x.y"
    assert stored(layers=[]).media_type == OCI_MANIFEST
    assert stored(manifests=[]).media_type == OCI_INDEX
    assert stored(schemaVersion=1).media_type.endswith("manifest.v1+json")
    assert stored(schemaVersion=1, signatures=[]).media_type.endswith("v1+prettyjws")


@pytest.mark.parametrize("media_type", ["a\r\nX-Evil: 1", "ä", "x" * 300, 7, None, ["x"]])
def test_type_that_no_header_can_have(media_type: object) -> None:
    found = stored(mediaType=media_type, artifactType=media_type, config={"mediaType": media_type})
    assert (found.media_type, found.artifact_type) == (OCI_MANIFEST, "")


def test_everything_that_is_named() -> None:
    layer = {"digest": DIGEST, "urls": ["https://elsewhere.test/"]}
    found = stored(config={"digest": "sha512:x"}, layers=[layer, {}, 7], blobs=[{"digest": "b"}])
    assert found.blobs == (("sha512:x", False), (DIGEST, True), ("b", False))
    assert stored(fsLayers=[{"blobSum": DIGEST}]).blobs == ((DIGEST, False),)
    assert stored(manifests=[{"digest": DIGEST}, "x"]).children == (DIGEST,)
    assert stored(subject={"digest": DIGEST}).subject == DIGEST
    assert stored(subject={"digest": "\ud800"}).subject == ""


@pytest.mark.parametrize("wrong", [7, "x", None, [], {}, [None], [{"digest": 7}], {"digest": 7}])
def test_wrong_kinds_are_nothing(wrong: object) -> None:
    keys = ("config", "layers", "manifests", "blobs", "fsLayers", "subject", "annotations")
    found = stored(**dict.fromkeys(keys, wrong))
    assert (found.blobs, found.children, found.subject) == ((), (), "")
    assert found.annotations == ""


def test_annotations_are_kept() -> None:
    assert json.loads(stored(annotations={"a": "ä"}).annotations) == {"a": "ä"}


def test_bytes_that_are_no_utf_8_pass_as_in_go() -> None:
    found = read_stored(b'{"schemaVersion": 2, "annotations": {"a": "\xff"}, "layers": [{"digest": "d"}]}')
    assert found is not None
    assert found.blobs == (("d", False),)
