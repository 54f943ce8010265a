"""Copies: the same bytes at the other end, whatever stands at either."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import Corrupt, Invalid, NotFound, Unavailable, Unsupported
from tests.support import archives
from tests.support.archives import Item
from tests.unit.remote.conftest import FAST

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.honest_registry import HonestRegistry
    from tests.support.stores import Stock

BASE = archives.layer({"base": os.urandom(50_000)})
TOP = archives.layer({"top": b"top"})
TARS = (BASE, TOP)


@pytest.fixture
def copy(stock: Stock) -> Callable[..., str]:
    stock.engine.remote = FAST

    def run(source: str, target: str, **options: Any) -> str:
        return stock.engine.copy(source, target, lambda _message: None, **options)

    return run


def test_image_goes_round_through_every_kind_of_place(
    stock: Stock, registry: HonestRegistry, copy: Callable[..., str], tmp_path: object
) -> None:
    digest = registry.add_image("app", "1", TARS)
    places = [
        f"{registry.host}/app:1",
        f"oci:{tmp_path}/layout:x",
        f"oci-archive:{tmp_path}/layout.tar:y",
        f"{registry.host}/other/app:2",
        "store:app:3",
        f"oci:{tmp_path}/again",
    ]
    for source, target in itertools.pairwise(places):
        assert copy(source, target) == digest, target
    assert registry.manifests["other/app", "2"] == registry.manifests["app", "1"]
    assert list(stock.names()) == ["app:3"]


def test_blobs_are_mounted_within_a_registry(registry: HonestRegistry, copy: Callable[..., str]) -> None:
    registry.add_image("app", "1", TARS)
    copy(f"{registry.host}/app:1", f"{registry.host}/team/app:1")
    assert registry.sent() == 0
    assert not registry.fetched()


def test_index_and_every_image_of_it_are_copied_for_all_platforms(
    registry: HonestRegistry, copy: Callable[..., str], tmp_path: object
) -> None:
    entries = [
        (registry.add_image("app", "", [tar], architecture=name), {"os": "linux", "architecture": name})
        for name, tar in zip(("amd64", "s390x"), TARS, strict=True)
    ]
    index = registry.add_index("app", "1", entries)
    assert copy(f"{registry.host}/app:1", f"oci:{tmp_path}/layout:all", all_platforms=True) == index
    assert copy(f"oci:{tmp_path}/layout:all", f"{registry.host}/back:1", all_platforms=True) == index
    assert registry.manifests["back", "1"] == registry.manifests["app", "1"]
    one = copy(f"{registry.host}/app:1", f"oci:{tmp_path}/layout:one", platform="linux/s390x")
    assert one == entries[1][0]
    with open(f"{tmp_path}/layout/index.json") as file:
        assert [item["digest"] for item in json.load(file)["manifests"]] == [index, one]


def test_indexes_that_name_each_other_many_times_are_copied_once(
    registry: HonestRegistry, copy: Callable[..., str]
) -> None:
    """Six in each of eight would be 1.7 million documents."""
    digest = registry.add_image("app", "", [TOP])
    for _level in range(8):
        digest = registry.add_index("app", "1", [(digest, {})] * 6)
    copy(f"{registry.host}/app:1", f"{registry.host}/other:1", all_platforms=True)
    assert registry.manifests["other", "1"] == registry.manifests["app", "1"]
    assert len(registry.paths("PUT")) == 9


def test_foreign_layer_is_copied_from_its_address(registry: HonestRegistry, copy: Callable[..., str]) -> None:
    packed = gzip.compress(TOP, mtime=0)
    digest = archives.digest(packed)
    registry.add_image("app", "1", [TOP])
    registry.blobs["elsewhere", digest] = registry.blobs.pop(("app", digest))
    media_type, raw = registry.manifests["app", "1"]
    manifest = json.loads(raw)
    manifest["layers"][0]["urls"] = [f"{registry.url}/v2/elsewhere/blobs/{digest}"]
    registry.add_manifest("app", "1", json.dumps(manifest).encode(), media_type)
    copy(f"{registry.host}/app:1", f"{registry.host}/other:1")
    assert registry.blobs["other", digest] == packed


def test_docker_archive_is_copied_without_unpacking(
    registry: HonestRegistry, copy: Callable[..., str], stock: Stock, tmp_path: object
) -> None:
    image = archives.image("step", "2023-01-02T03:04:05Z", add=BASE)
    with open(f"{tmp_path}/in.tar", "wb") as file:
        file.write(archives.docker_archive([Item(image, ("app:1",))]))
    digest = copy(f"docker-archive:{tmp_path}/in.tar", f"{registry.host}/app:1")
    assert archives.digest(BASE) in {name for _, name in registry.blobs}
    copy(f"{registry.host}/app:1", f"docker-archive:{tmp_path}/out.tar:back:2")
    with open(f"{tmp_path}/out.tar", "rb") as file:
        outcome = stock.engine.load(file, lambda _report: None)
    assert (outcome.images, list(stock.names())) == ((image.id,), ["back:2"])
    assert registry.manifests["app", "1"][1] == registry.manifests["app", digest][1]


def test_image_of_the_store_is_pushed(
    stock: Stock, registry: HonestRegistry, copy: Callable[..., str]
) -> None:
    image = stock.image(BASE, names=["app:1"])
    digest = copy("store:app:1", f"{registry.host}/app:9")
    assert stock.names()[f"{registry.host}/app@{digest}"] == image


def test_image_of_a_layout_is_replaced_by_one_of_the_same_tag(
    registry: HonestRegistry, copy: Callable[..., str], tmp_path: object
) -> None:
    registry.add_image("app", "1", [BASE])
    second = registry.add_image("app", "2", [TOP])
    for tag in "12":
        copy(f"{registry.host}/app:{tag}", f"oci:{tmp_path}/layout:x")
    with open(f"{tmp_path}/layout/index.json") as file:
        assert [item["digest"] for item in json.load(file)["manifests"]] == [second]


@pytest.mark.parametrize(
    "target", ["oci:{}/layout:x", "oci-archive:{}/layout.tar", "docker-archive:{}/a.tar:a"]
)
def test_registry_that_lies_leaves_no_image_behind(
    registry: HonestRegistry, copy: Callable[..., str], tmp_path: object, target: str
) -> None:
    registry.add_image("app", "1", TARS)
    key = max(registry.blobs, key=lambda key: len(registry.blobs[key]))
    registry.blobs[key] = registry.blobs[key][:-1] + b"!"
    with pytest.raises(Corrupt, match=f"^filesystem layer verification failed for digest {key[1]}$"):
        copy(f"{registry.host}/app:1", target.format(tmp_path))
    left = [
        name
        for _folder, _folders, names in os.walk(str(tmp_path))
        for name in names
        if "store" not in _folder
    ]
    assert not [name for name in left if name.endswith((".json", ".tar", ".tmp")) or name == key[1][7:]]


def test_docker_archive_of_several_platforms_is_refused(
    registry: HonestRegistry, copy: Callable[..., str], tmp_path: object
) -> None:
    entry = registry.add_image("app", "", TARS)
    registry.add_index("app", "1", [(entry, {"os": "linux", "architecture": "amd64"})])
    with pytest.raises(Unsupported, match="one platform"):
        copy(f"{registry.host}/app:1", f"docker-archive:{tmp_path}/a.tar:a", all_platforms=True)
    assert not os.path.exists(f"{tmp_path}/a.tar")
    with pytest.raises(Invalid, match="leave out --all-platforms"):
        copy(f"{registry.host}/app:1", "store:app", all_platforms=True)


def test_what_is_not_there_is_named(copy: Callable[..., str], tmp_path: object) -> None:
    with pytest.raises(Invalid, match=r"missing\.tar: no such file or directory"):
        copy(f"oci-archive:{tmp_path}/missing.tar", "store:app")
    with tarfile.open(f"{tmp_path}/empty.tar", "w"):
        pass
    with pytest.raises(Invalid, match=r"manifest\.json"):
        copy(f"docker-archive:{tmp_path}/empty.tar", "store:app")
    with pytest.raises(Invalid, match="names no file"):
        copy("oci:", "store:app")


def test_file_that_cannot_be_made_is_named(
    registry: HonestRegistry, copy: Callable[..., str], tmp_path: object
) -> None:
    registry.add_image("app", "1", TARS)
    with pytest.raises(Unavailable, match=r"^cannot write .*/missing/a\.tar: no such file or directory$"):
        copy(f"{registry.host}/app:1", f"oci-archive:{tmp_path}/missing/a.tar")


def test_tag_that_a_layout_lacks_is_named(
    registry: HonestRegistry, copy: Callable[..., str], tmp_path: object
) -> None:
    registry.add_image("app", "1", TARS)
    copy(f"{registry.host}/app:1", f"oci:{tmp_path}/layout:x")
    with pytest.raises(NotFound, match='has no image with the tag "y"'):
        copy(f"oci:{tmp_path}/layout:y", "store:app")
