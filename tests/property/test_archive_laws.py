"""Laws of loading and saving, over random images and random damage."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ligan.errors import LiganError
from ligan.images.archive_layouts import LAYOUTS
from ligan.images.load import load
from ligan.images.save import save
from tests.support import archives, layouts
from tests.support.archives import Item
from tests.support.layouts import Layout, named
from tests.support.stores import Stock, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  # a folder of its own in it
RARELY = settings(max_examples=40)
DAMAGED = settings(max_examples=150)

NAMES = ["a:1", "a:2", "b:1", "q.io/c/d:1", "localhost:5000/e:x"]


@st.composite
def forests(draw: st.DrawFn) -> list[Item]:
    """Draw images, each built on an earlier one or on nothing, and a name for some of them."""
    items: list[Item] = []
    free = draw(st.permutations(NAMES))
    for number in range(draw(st.integers(1, 5))):
        parent = draw(st.sampled_from([None, *items]))
        adds = parent is None or draw(st.booleans())
        content = draw(st.binary(max_size=4))
        image = archives.image(
            str(number),
            f"2023-01-0{number + 1}T00:00:00Z",
            parent=parent.image if parent else None,
            add=archives.layer({"file": content}) if adds else None,
        )
        tags = tuple(free.pop() for _ in range(draw(st.integers(0, min(2, len(free))))))
        items.append(Item(image, tags, parent.image if parent else None))
    return items


def load_bytes(stock: Stock, archive: bytes) -> None:
    load(stock.store, io.BytesIO(archive), lambda _report: None)


@given(forests(), st.sampled_from(list(LAYOUTS)), st.booleans())
@RARELY
def test_saved_and_loaded_is_the_same(items: list[Item], layout: str, compress: bool) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        with opened(f"{folder}/one") as one:
            load_bytes(one, archives.docker_archive(items))
            expected = one.dump()
            arguments = [name for item in items for name in item.tags or (item.image.id,)]
            archive = saved(one, arguments, layout)
        with opened(f"{folder}/two") as two:
            load_bytes(two, gzip.compress(archive) if compress else archive)
            found = two.dump()
            again = saved(two, arguments, layout)
    if layout == "oci":  # which has no place for a parent
        expected["image"] = [(*row[:2], None, *row[3:]) for row in expected["image"]]
        found["image"] = [(*row[:2], None, *row[3:]) for row in found["image"]]
    assert found == expected
    assert again == archive


def saved(stock: Stock, names: Sequence[str], layout: str) -> bytes:
    target = io.BytesIO()
    save(stock.store, names, target, layout=layout)
    return target.getvalue()


@given(forests(), st.randoms(use_true_random=False))
@RARELY
def test_order_of_images_does_not_matter(items: list[Item], chance: random.Random) -> None:
    shuffled = list(items)
    chance.shuffle(shuffled)
    with TemporaryDirectory(dir=MEMORY) as folder:
        dumps = []
        for name, order in (("one", items), ("two", shuffled)):
            with opened(f"{folder}/{name}") as stock:
                load_bytes(stock, archives.docker_archive(order))
                dumps.append(stock.dump())
    assert dumps[0] == dumps[1]


@given(forests(), st.data())
@RARELY
def test_loading_piece_by_piece_is_loading_at_once(items: list[Item], data: st.DataObject) -> None:
    """But for the links between pieces, which an archive does not hold."""
    cut = data.draw(st.integers(0, len(items)))
    whole = [item._replace(parent=None) for item in items]
    with TemporaryDirectory(dir=MEMORY) as folder:
        with opened(f"{folder}/one") as one:
            load_bytes(one, archives.docker_archive(whole))
            expected = one.dump()
        with opened(f"{folder}/two") as two:
            load_bytes(two, archives.docker_archive(whole[:cut]))
            load_bytes(two, archives.docker_archive(whole[cut:]))
            assert two.dump() == expected


BASE = archives.image("base", "2023-01-01T00:00:00Z", add=archives.layer({"a": b"a" * 40}))
TOP = archives.image("top", "2023-01-02T00:00:00Z", parent=BASE, add=archives.layer({"b": b"b"}))


def _docker() -> dict[str, bytes]:
    items: list[dict[str, Any]] = [{"Config": "base.json", "RepoTags": ["a:1"], "Layers": ["base.tar"]}]
    items.append(
        {"Config": "top.json", "RepoTags": None, "Layers": ["base.tar", "top.tar"], "Parent": BASE.id}
    )
    return {
        "base.json": BASE.config,
        "base.tar": BASE.layers[0],
        "top.json": TOP.config,
        "top.tar": TOP.layers[1],
        "manifest.json": json.dumps(items).encode(),
    }


def _oci() -> dict[str, bytes]:
    layout = Layout()
    layout.entries = [layout.index([layout.manifest(TOP, compress=True)], annotations=named("a:1"))]
    return layout.finish()


def _legacy() -> dict[str, bytes]:
    images = [("aa", {}, BASE.layers[0]), ("bb", {"parent": "aa", "docker_version": "1.9.0"}, TOP.layers[1])]
    return layouts.legacy_files(images, {"a": {"1": "bb"}})


ARCHIVES = {"docker": _docker(), "oci": _oci(), "legacy": _legacy()}
DOCUMENTS = [
    (kind, name) for kind, files in ARCHIVES.items() for name, data in files.items() if data[:1] in b"{["
]


def load_damaged(archive: bytes) -> None:
    """Load what may be anything: it ends well or in an error for people, and the store is sound."""
    with TemporaryDirectory(dir=MEMORY) as folder, opened(f"{folder}/store") as stock:
        with suppress(LiganError):
            load_bytes(stock, archive)
        assert os.listdir(stock.store.layout.ingest) == []


@given(st.sampled_from(sorted(ARCHIVES)), st.data())
@DAMAGED
def test_damage_ends_in_an_error_and_a_sound_store(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(layouts.as_tar(ARCHIVES[kind]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(damaged) - 1)))
        if data.draw(st.booleans()):
            damaged[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
        else:
            del damaged[at : at + data.draw(st.sampled_from([1, 100, 512, len(damaged)]))]
    load_damaged(bytes(damaged))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.sampled_from(["a:1", "aa", "../x", "\0", BASE.id, TOP.id, "base.tar", "windows", "linux", "1.8.2"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@given(st.sampled_from(DOCUMENTS), st.data())
@DAMAGED
def test_documents_of_any_shape_end_in_an_error_and_a_sound_store(
    document: tuple[str, str], data: st.DataObject
) -> None:
    kind, name = document
    files = ARCHIVES[kind]
    changed = json.dumps(mutated(json.loads(files[name]), data)).encode()
    load_damaged(layouts.as_tar({**files, name: changed}))


@given(st.sampled_from(["config", "manifest", "index"]), st.data())
@DAMAGED
def test_oci_documents_of_any_shape_do_too(which: str, data: st.DataObject) -> None:
    """With digests that fit, or nothing but a mismatch would ever be met."""
    layout = Layout()

    def written(name: str, document: Any) -> bytes:
        return json.dumps(mutated(document, data) if name == which else document).encode()

    layers = [layout.blob(tar, layouts.LAYER) for tar in TOP.layers]
    config = layout.blob(written("config", json.loads(TOP.config)), layouts.CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": layouts.MANIFEST, "config": config, "layers": layers}
    entry = layout.blob(
        written("manifest", manifest),
        layouts.MANIFEST,
        platform=layouts.platform("amd64"),
        annotations=named("a:1"),
    )
    files = layout.finish()
    files["index.json"] = written(
        "index", {"schemaVersion": 2, "mediaType": layouts.INDEX, "manifests": [entry]}
    )
    load_damaged(layouts.as_tar(files))


def mutated(document: Any, data: st.DataObject) -> Any:
    """Return the document with one value, at any depth, replaced or left out."""
    if not isinstance(document, (dict, list)) or not document or data.draw(st.integers(0, 4)) == 0:
        return data.draw(values)
    copy = document.copy()
    key = data.draw(st.sampled_from(sorted(document) if isinstance(document, dict) else range(len(document))))
    if data.draw(st.integers(0, 4)):
        copy[key] = mutated(document[key], data)
    else:
        del copy[key]
    return copy
