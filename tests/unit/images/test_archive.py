"""What archives say: docker-archives, OCI layouts, and how each is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import Corrupt, Invalid, NotFound, Unsupported
from ligan.images.archive import (
    ArchivedImage,
    docker_images,
    is_docker_archive,
    is_oci_layout,
    oci_images,
)
from ligan.images.source import FolderSource, MissingMember
from ligan.oci.digest import Digest, DigestMismatch
from ligan.oci.documents import MAX_DOCUMENT_SIZE
from ligan.oci.platform import Platform
from tests.support import archives, layouts
from tests.support.layouts import Layout, named, platform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Read = Callable[[Mapping[str, bytes]], list[ArchivedImage]]

AMD64 = Platform("linux", "amd64")
BASE = archives.image("base", "2023-01-01T00:00:00Z", add=archives.layer({"a": b"a"}))
TOP = archives.image("top", "2023-01-02T00:00:00Z", parent=BASE, add=archives.layer({"b": b"b"}))
BARE = archives.image("bare", "2023-01-03T00:00:00Z")


@pytest.fixture
def docker(tmp_path: Path) -> Read:
    def read(files: Mapping[str, bytes]) -> list[ArchivedImage]:
        source = FolderSource(layouts.as_folder(files, str(tmp_path)))
        assert is_docker_archive(source)
        return list(docker_images(source))

    return read


class Oci:
    """Reads OCI layouts, and keeps what was noted."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.notes: list[str] = []

    def read(self, layout: Layout, wanted: Platform = AMD64) -> list[ArchivedImage]:
        source = FolderSource(layouts.as_folder(layout.finish(), self._folder))
        assert is_oci_layout(source)
        assert not is_docker_archive(source)
        return list(oci_images(source, wanted, self.notes.append))


@pytest.fixture
def oci(tmp_path: Path) -> Oci:
    return Oci(str(tmp_path))


def files(*items: dict[str, Any], **more: bytes) -> dict[str, bytes]:
    manifest = json.dumps(items).encode()
    return {"manifest.json": manifest, "c.json": TOP.config, "bare.json": BARE.config, **more}


def item(**changes: Any) -> dict[str, Any]:
    return {"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["one", "two"], **changes}


def ids(images: list[ArchivedImage]) -> list[Digest]:
    return [image.config.id for image in images]


def tags(image: ArchivedImage) -> list[str]:
    return [tag.familiar for tag in image.tags]


def test_item_of_a_docker_archive(docker: Read) -> None:
    (image,) = docker(files(item(RepoTags=["a:1", "q.io/b:2"], Parent=BASE.id)))
    assert image.config.raw == TOP.config
    assert image.layers == ("one", "two")
    assert tags(image) == ["a:1", "q.io/b:2"]
    assert image.parent == BASE.id


def test_missing_fields_are_empty(docker: Read) -> None:
    (image,) = docker(files({"Config": "bare.json", "RepoTags": None}))
    assert (image.layers, image.tags, image.parent) == ((), (), "")


def test_empty_manifest_has_no_images(docker: Read) -> None:
    assert docker({"manifest.json": b"[]"}) == []


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"null", "invalid manifest, manifest cannot be null (but can be [])"),
        (b"{}", "invalid manifest.json: not a list of objects"),
        (b"[1]", "invalid manifest.json: not a list of objects"),
        (b'[{"Config": 1}]', "invalid manifest.json: Config is not a string"),
        (b'[{"Config": "c.json", "Layers": "x"}]', "invalid manifest.json: Layers is not a list"),
        (b'[{"Config": "c.json", "Layers": [1]}]', "invalid manifest.json: Layers is not a list of strings"),
        (b'[{"Config": "gone"}]', "open gone: no such file or directory"),
        (b'[{"Config": "../c.json"}]', "open ../c.json: it leads out of the folder"),
        (
            json.dumps([item(Layers=["one"])]).encode(),
            "invalid manifest, layers length mismatch: expected 1, got 2",
        ),
        (json.dumps([item(RepoTags=["a"])]).encode(), 'invalid tag "a"'),
        (
            json.dumps([item(RepoTags=["A:1"])]).encode(),
            "invalid reference format: repository name must be lowercase",
        ),
        (json.dumps([item(RepoTags=[""])]).encode(), "invalid reference format"),
    ],
)
def test_faulty_manifest(manifest: bytes, message: str, docker: Read, tmp_path: Path) -> None:
    (tmp_path.parent / "c.json").write_bytes(TOP.config)
    with pytest.raises(Invalid) as caught:
        docker({**files(), "manifest.json": manifest})
    assert str(caught.value) == message


@pytest.mark.parametrize("text", [b"", b"[", b"\xff", b"[" * 100_000])
def test_manifest_that_is_no_json(text: bytes, docker: Read) -> None:
    with pytest.raises(Invalid, match=r"^invalid manifest\.json: "):
        docker({"manifest.json": text})


def test_oversized_manifest_names_the_limit(docker: Read) -> None:
    with pytest.raises(Invalid, match=str(MAX_DOCUMENT_SIZE)):
        docker({"manifest.json": b" " * (MAX_DOCUMENT_SIZE + 1)})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"{}", "invalid image JSON, no RootFS key"),
        (b'{"os":"windows","rootfs":{"diff_ids":[]}}', "cannot load windows image on linux"),
        (b'{"rootfs":{"diff_ids":["x"]}}', "invalid checksum digest format"),
        (b'{"rootfs":{},"history":[{}]}', "too many non-empty layers in History section"),
    ],
)
def test_faulty_config(config: bytes, message: str, docker: Read) -> None:
    with pytest.raises(Invalid) as caught:
        docker(files({"Config": "faulty.json"}, **{"faulty.json": config}))
    assert str(caught.value) == message


def test_faulty_second_image_does_not_hide_the_first(tmp_path: Path) -> None:
    folder = layouts.as_folder(files(item(), {"Config": "gone"}), str(tmp_path))
    images = docker_images(FolderSource(folder))
    assert next(images).config.id == TOP.id
    with pytest.raises(MissingMember):
        next(images)


def test_oci_image_with_its_name(oci: Oci) -> None:
    layout = Layout()
    layout.entries = [layout.manifest(TOP, annotations=named("a:1"))]
    (image,) = oci.read(layout)
    assert image.config.raw == TOP.config
    assert image.layers == tuple(layouts.path(archives.digest(tar)) for tar in TOP.layers)
    assert tags(image) == ["a:1"]
    assert oci.notes == []


def test_names_of_one_manifest_are_those_of_one_image(oci: Oci) -> None:
    layout = Layout()
    layout.entries = [layout.manifest(TOP, annotations=named(name)) for name in ("a:1", "a:2", "b:1")]
    (image,) = oci.read(layout)
    assert tags(image) == ["a:1", "a:2", "b:1"]


def test_images_without_names_are_apart(oci: Oci) -> None:
    layout = Layout()
    layout.entries = [layout.manifest(TOP), layout.manifest(BASE), layout.manifest(TOP)]
    assert ids(oci.read(layout)) == [TOP.id, BASE.id]


@pytest.mark.parametrize(
    ("name", "tagged"),
    [("a:1", ["a:1"]), ("localhost:5000/x/y:z", ["localhost:5000/x/y:z"]), ("latest", []), ("no name", [])],
)
def test_ref_name_is_a_name_only_with_a_repository(name: str, tagged: list[str], oci: Oci) -> None:
    layout = Layout()
    layout.entries = [layout.manifest(TOP, annotations={"org.opencontainers.image.ref.name": name})]
    (image,) = oci.read(layout)
    assert tags(image) == tagged
    assert [name in note for note in oci.notes] == [True] * (not tagged)


def multi_platform(layout: Layout) -> list[dict[str, Any]]:
    return [
        layout.manifest(BASE, platform=platform("arm64", "v8")),
        layout.manifest(TOP, platform=platform("amd64")),
        layout.manifest(BARE, platform=platform("unknown", system="unknown")),
    ]


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(("wanted", "chosen"), [(AMD64, TOP), (Platform("linux", "arm64"), BASE)])
def test_platform_is_chosen_and_the_other_one_noted(
    nested: bool, wanted: Platform, chosen: archives.Image, oci: Oci
) -> None:
    layout = Layout()
    entries = multi_platform(layout)
    if nested:
        layout.entries = [layout.index(entries, annotations=named("a:1"))]
    else:
        layout.entries = [{**entry, "annotations": named("a:1")} for entry in entries]
    (image,) = oci.read(layout, wanted)
    assert image.config.id == chosen.id
    assert tags(image) == ["a:1"]
    (note,) = oci.notes
    assert "is left out" in note


def test_platform_that_is_not_there(oci: Oci) -> None:
    layout = Layout()
    layout.entries = [layout.index(multi_platform(layout))]
    with pytest.raises(NotFound) as caught:
        oci.read(layout, Platform("linux", "s390x"))
    assert str(caught.value) == "no matching manifest for linux/s390x in the manifest list entries"


def test_only_image_serves_any_platform(oci: Oci) -> None:
    layout = Layout()
    layout.entries = [layout.index(multi_platform(layout)[1:])]
    assert ids(oci.read(layout, Platform("linux", "s390x"))) == [TOP.id]


def test_indexes_may_be_nested(oci: Oci) -> None:
    layout = Layout()
    layout.entries = [layout.index([layout.index([layout.manifest(TOP)])])]
    assert ids(oci.read(layout)) == [TOP.id]


def test_indexes_may_not_be_nested_without_end(oci: Oci) -> None:
    layout = Layout()
    entry = layout.manifest(TOP)
    for _level in range(20):
        entry = layout.index([entry])
    layout.entries = [entry]
    with pytest.raises(Invalid, match="nested more than 8 deep"):
        oci.read(layout)


def test_artifact_is_no_image(oci: Oci) -> None:
    layout = Layout()
    document = {
        "schemaVersion": 2,
        "mediaType": layouts.MANIFEST,
        "config": layout.blob(b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [],
    }
    layout.entries = [layout.blob(json.dumps(document).encode(), layouts.MANIFEST)]
    with pytest.raises(Unsupported, match=r"not an image: its config is of type .*empty"):
        oci.read(layout)


@pytest.mark.parametrize("which", ["manifest", "config"])
def test_document_that_is_not_what_its_digest_says(which: str, oci: Oci) -> None:
    layout = Layout()
    entry = layout.manifest(TOP)
    layout.entries = [entry]
    damaged = layouts.path(entry["digest"] if which == "manifest" else TOP.id)
    layout.files[damaged] += b" "
    with pytest.raises(DigestMismatch):
        oci.read(layout)


def test_layer_of_the_wrong_size(oci: Oci) -> None:
    layout = Layout()
    layout.entries = [layout.manifest(TOP)]
    layout.files[layouts.path(archives.digest(TOP.layers[1]))] += b"\0"
    with pytest.raises(Corrupt, match=r"expected \d+ bytes, got \d+$"):
        oci.read(layout)


def test_layer_may_be_missing_until_it_is_needed(oci: Oci) -> None:
    layout = Layout()
    layout.entries = [layout.manifest(TOP)]
    del layout.files[layouts.path(archives.digest(TOP.layers[0]))]
    assert ids(oci.read(layout)) == [TOP.id]


@pytest.mark.parametrize("digest", ["sha256:xyz", "md5:00", "", "sha256:../../../../etc/passwd"])
def test_descriptor_has_to_have_a_digest(digest: str, oci: Oci) -> None:
    layout = Layout()
    layout.entries = [{"mediaType": layouts.MANIFEST, "digest": digest, "size": 1}]
    with pytest.raises(Invalid):
        oci.read(layout)


def test_index_without_images(oci: Oci) -> None:
    assert oci.read(Layout()) == []
