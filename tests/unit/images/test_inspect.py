"""The documents of inspect and history; what Docker said of the base images is in the goldens."""

from __future__ import annotations

import json
import lzma
import os
from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import Corrupt

if TYPE_CHECKING:
    from tests.support.stores import Stock

GOLDENS = os.path.join(os.path.dirname(__file__), "..", "..", "golden", "data")


def _answers(scenario: str, end: str) -> list[tuple[str, Any]]:
    """Return what Docker answered for each base image: the name that was asked for, and the document."""
    with lzma.open(os.path.join(GOLDENS, f"{scenario}.json.xz")) as file:
        steps = json.load(file)["steps"]
    found = []
    for call in (call for step in steps for call in step.get("api", [])):
        name, slash, rest = call["path"].rpartition("/")
        name = name.partition("/images/")[2]
        if (
            slash
            and rest == end
            and name.startswith(("busybox", "alpine", "hello-world", "docker.io", "index"))
        ):
            found.append((name, json.loads(call["response_body"])))
    return found


def test_the_document_of_a_base_image_is_dockers(stock: Stock, base_images: str) -> None:
    stock.load_archive(base_images)
    answers = _answers("g_inspect_format", "json")
    assert len(answers) > 3
    for name, answer in answers:
        document = stock.engine.inspect_image(name)
        assert list(document) == list(answer)
        assert list(document["Config"]) == list(answer["Config"])
        del document["GraphDriver"], answer["GraphDriver"]
        assert document == answer


def test_the_history_of_a_base_image_is_dockers(stock: Stock, base_images: str) -> None:
    stock.load_archive(base_images)
    answers = _answers("i_history", "history")
    assert len(answers) > 1
    for name, answer in answers:
        assert [
            {
                "Comment": entry.comment,
                "Created": entry.created_s,
                "CreatedBy": entry.created_by,
                "Id": entry.id,
                "Size": entry.size,
                "Tags": list(entry.tags) or None,
            }
            for entry in stock.engine.history(name)
        ] == answer


def _with_history(stock: Stock, *steps: tuple[str, bool], parent: Any = None) -> Any:
    """Store an image of these steps, each with whether it made a layer."""
    from tests.support import archives

    tars = [archives.layer({"f": name.encode()}) for name, made in steps if made]
    config = {
        "rootfs": {"type": "layers", "diff_ids": [archives.digest(tar) for tar in tars]},
        "history": [
            {"created_by": name, "created": "2020-01-01T00:00:00.5Z"}
            | ({} if made else {"empty_layer": True})
            for name, made in steps
        ],
    }
    return stock.add(
        json.dumps(config).encode(), tars, [len(name) for name, made in steps if made], (), parent
    )


def test_history_names_the_parents_that_are_here(stock: Stock) -> None:
    base = _with_history(stock, ("FROM", True))
    middle = _with_history(stock, ("FROM", True), ("ENV", False), parent=base)
    top = _with_history(stock, ("FROM", True), ("ENV", False), ("RUN", True), parent=middle)
    stock.name(base, "base:1")
    entries = stock.engine.history(top)
    assert [(entry.id, entry.created_by, entry.size) for entry in entries] == [
        (top, "RUN", 3),
        (middle, "ENV", 0),
        (base, "FROM", 4),
    ]
    assert entries[2].tags == ("base:1",)
    assert entries[0].created_s == 1577836800


def test_history_without_parents_tells_the_image_only(stock: Stock) -> None:
    image = _with_history(stock, ("FROM", True), ("RUN", True))
    assert [entry.id for entry in stock.engine.history(image)] == [image, "<missing>"]


def test_history_with_fewer_layers_than_steps_counts_none_twice(stock: Stock) -> None:
    image = stock.image()
    assert stock.engine.history(image) == []


def test_the_document_of_an_image_without_anything(stock: Stock) -> None:
    image = stock.add(b'{"rootfs":{}}', [], [])
    document = stock.engine.inspect_image(image)
    assert (document["RepoTags"], document["RepoDigests"], document["Parent"]) == ([], [], "")
    assert (document["Config"], document["Os"], document["Architecture"]) == (None, "linux", "")
    assert document["Created"] == document["Metadata"]["LastTagTime"] == "0001-01-01T00:00:00Z"
    assert document["RootFS"] == {"Type": ""}
    assert (document["Size"], document["GraphDriver"]["Data"]) == (0, None)


def test_the_document_tells_names_parent_and_the_time_of_the_last_tag(stock: Stock) -> None:
    parent = stock.image("a")
    image = stock.image("a", "b", parent=parent, names=[f"app@sha256:{'1' * 64}"])
    stock.now += 250_000_000
    stock.engine.tag_image(image, "app:1")
    document = stock.engine.inspect_image("app:1")
    assert (document["Id"], document["Parent"]) == (image, parent)
    assert (document["RepoTags"], document["RepoDigests"]) == (["app:1"], [f"app@sha256:{'1' * 64}"])
    assert document["Metadata"]["LastTagTime"] == "2023-11-14T22:13:20.25Z"
    assert document["GraphDriver"]["Data"]["LayerTar"].startswith(stock.store.layout.blobs)


def test_the_raw_config_is_the_stored_bytes(stock: Stock) -> None:
    raw = b' {"rootfs" : {}} '
    assert stock.engine.inspect_raw_config(stock.add(raw, [], [])) == raw


@pytest.mark.parametrize(
    ("data", "message"), [(b'{"rootfs":{}, "x":1}', "is damaged on disk"), (None, "cannot be read")]
)
def test_a_config_that_is_not_what_its_id_says_is_told(
    stock: Stock, data: bytes | None, message: str
) -> None:
    image = stock.image()
    path = stock.store.layout.blob(image)
    with open(path, "rb") as file:
        sound = file.read()
    os.unlink(path)
    if data is not None:
        with open(path, "wb") as file:
            file.write(data)
    with pytest.raises(Corrupt, match=message):
        stock.engine.inspect_image(image)
    with open(path, "wb") as file:
        file.write(sound)
