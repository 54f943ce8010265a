"""Archives from before 1.10: the image IDs are those dockerd 20.10.24 made of the same archives."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import Invalid, LiganError
from ligan.images.load import load
from tests.support import archives, layouts
from tests.support.layouts import legacy_files

if TYPE_CHECKING:
    from tests.support.stores import Stock

LAYERS = [archives.layer({name: number}) for name, number in (("a", b"1"), ("b", b"2"), ("c", b"3"))]

# Documents of several ages: those before 1.8.3 lose the keys that an engine did not know.
OLDEST: dict[str, Any] = {
    "created": "2014-01-01T00:00:00.10Z",
    "container_config": {"Cmd": ["/bin/sh", "-c", "a <b> & c"]},
    "config": {"Env": ["A=<1>"], "Unknown": 1},
    "architecture": "amd64",
    "os": "linux",
    "Size": 5,
    "throwaway": True,
    "author": "me",
}
NEWER: dict[str, Any] = {
    "parent": "aa",
    "created": "2015-01-01T00:00:00Z",
    "docker_version": "1.9.0",
    "config": {"Z": 1.50, "A": "x  y"},
    "comment": "hi",
    "unknown": [1, 2, 1e5],
    "os": "linux",
    "parent_id": "x",
    "layer_id": "y",
    "container_config": {"Cmd": ["x"]},
}
OLD: dict[str, Any] = {
    "parent": "cc",
    "docker_version": "1.8.2",
    "created": "2016-01-01T00:00:00+02:00",
    "config": None,
    "id2": "x",
}
BARELY: dict[str, Any] = {"parent": "aa", "docker_version": "1.8.3", "architecture": "arm"}
IMAGES = [
    ("aa", OLDEST, LAYERS[0]),
    ("cc", NEWER, LAYERS[1]),
    ("bb", OLD, LAYERS[2]),
    ("dd", BARELY, LAYERS[1]),
]
TAGS = {"old": {"1": "bb", "2": "cc"}, "q.io/x/y": {"z": "bb"}}
AA = "sha256:5073824c5cfce6e6132ffc4e3d2a77a18c72a1f262066174a0c3ec6ed49a668c"
BB = "sha256:aaf1ab0700b3360e317080e8cb96e117d2eb8561f9667e0cc24c9065c1cf6c8f"
CC = "sha256:5aa50b7f013962d495049dc7884c37b963d38e3553d7e124bebc1fc9a6d4a61c"
DD = "sha256:7a0b97940fd3a0d6d41a4eef285780700bc0a2d99d714e01c8e912c1a817d09f"


def load_files(stock: Stock, files: dict[str, bytes]) -> tuple[list[str], tuple[str, ...]]:
    """Return what is said, and what is noted."""
    said: list[str] = []
    archive = io.BytesIO(layouts.as_tar(files))
    outcome = load(
        stock.store, archive, lambda report: said.append(str(report)) if isinstance(report, str) else None
    )
    return said, outcome.notes


def test_ids_parents_and_names_are_dockers(stock: Stock) -> None:
    said, notes = load_files(stock, legacy_files(IMAGES, TAGS))
    assert stock.names() == {"old:1": BB, "old:2": CC, "q.io/x/y:z": BB}
    links = {image.id: image.parent for image in stock.engine.list_images({}, show_all=True)}
    assert links == {AA: "", BB: CC, CC: AA, DD: AA}
    assert said == []
    assert set(notes) == {
        *(f"Loaded image: {name}" for name in ("old:1", "old:2", "q.io/x/y:z")),
        *(f"Loaded image ID: {image}" for image in (AA, DD)),
    }


def test_events_tell_of_each_image(stock: Stock) -> None:
    load_files(stock, legacy_files(IMAGES, TAGS))
    with stock.store.database.read() as tx:
        events = tx.all("SELECT action, actor FROM event")
    assert sorted(events) == sorted(("load", image) for image in (AA, BB, CC, DD))


def test_moved_name_is_said(stock: Stock) -> None:
    other = stock.image("x", names=["old:1"])
    said, _notes = load_files(stock, legacy_files(IMAGES, TAGS))
    assert said == [f"The image old:1 already exists, renaming the old one with ID {other} to empty string"]


def test_archive_of_today_without_its_manifest(stock: Stock) -> None:
    path = os.path.join(os.path.dirname(__file__), "..", "..", "data", "alpine-chain.tar.gz")
    with tarfile.open(path) as archive:
        files = {}
        links = {}
        for member in archive:
            file = None if member.issym() else archive.extractfile(member)
            if file is not None and not member.name.endswith(".json"):
                files[member.name] = file.read()
            elif member.issym():
                links[member.name] = member.linkname.removeprefix("../")
    files |= {name: files[target] for name, target in links.items()}
    load_files(stock, files)
    assert sorted(image[7:19] for image in stock.images()) == [
        *("023a272ae38c", "04be124300f2", "243a51b06ea9", "2868b364c158", "2abf13a9128a", "3a9a162f1b50"),
        *("4191c6fdac8b", "62a3b291e3e0", "82e768a19070", "8a6fda0bf8dc", "9e1444ddca85", "afca756f3f40"),
        *("b1c38f8f2273", "d6a8bd40f7b2"),
    ]


def without(name: str) -> dict[str, bytes]:
    files = legacy_files(IMAGES, TAGS)
    del files[name]
    return files


FAULTS: list[tuple[dict[str, bytes], str]] = [
    (without("repositories"), "open repositories: no such file or directory"),
    (without("aa/json"), "open aa/json: no such file or directory"),
    (without("aa/layer.tar"), "open aa/layer.tar: no such file or directory"),
    (legacy_files([("aa", {"parent": "zz"}, LAYERS[0])], {}), "open zz/json: no such file or directory"),
    (legacy_files([("aa", {"parent": "aa"}, LAYERS[0])], {}), "image aa is its own ancestor"),
    (
        legacy_files([("aa", {"parent": "bb"}, LAYERS[0]), ("bb", {"parent": "aa"}, LAYERS[0])], {}),
        "image aa is its own ancestor",
    ),
    (legacy_files([("aa", {"os": "windows"}, LAYERS[0])], {}), "cannot load windows image on linux"),
    (legacy_files([("aa", {"parent": 1}, LAYERS[0])], {}), "invalid aa/json: parent is not a string"),
    ({**legacy_files(IMAGES, TAGS), "aa/json": b"[]"}, "invalid aa/json: not an object"),
    (legacy_files(IMAGES, {"old": {"1": "zz"}}), "invalid target ID: zz"),
    (legacy_files(IMAGES, {"old": {"1": ["aa"]}}), "invalid target ID: ['aa']"),
    (legacy_files(IMAGES, {"old": {".": "aa"}}), "invalid tag format"),
    (
        legacy_files(IMAGES, {"OLD": {"1": "aa"}}),
        "invalid reference format: repository name must be lowercase",
    ),
    (legacy_files(IMAGES, []), "invalid repositories: not an object"),
]


@pytest.mark.parametrize(("files", "message"), FAULTS, ids=[message for _files, message in FAULTS])
def test_faulty_archive_is_refused(files: dict[str, bytes], message: str, stock: Stock) -> None:
    with pytest.raises(LiganError) as caught:
        load_files(stock, files)
    assert str(caught.value) == message
    assert stock.images() == set()


def test_what_is_no_archive_of_images_says_what_to_do(stock: Stock) -> None:
    with pytest.raises(Invalid) as caught:
        load_files(stock, {"bin/sh": b""})
    assert "`ligan import`" in caught.value.hint


def test_version_of_any_length_is_read(stock: Stock) -> None:
    load_files(stock, legacy_files([("aa", {"docker_version": "9" * 5000}, LAYERS[0])], {"a": {"1": "aa"}}))
    assert set(stock.names()) == {"a:1"}
