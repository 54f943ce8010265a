"""Saving: bytes as dockerd writes them, the meaning of names, and the other two layouts."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import tarfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import Corrupt, Invalid, LiganError, NoSpace, NotFound, Unavailable, Unsupported
from ligan.images.archive_layouts import LAYOUTS
from ligan.images.load import load
from ligan.images.save import plan_save, save
from ligan.oci.digest import Digest
from ligan.store.db import Database
from tests.support import archives
from tests.support.archives import Item

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.stores import Stock

WHEN = "2023-01-0{}T00:00:00.5Z"
A = archives.image("a", WHEN.format(1), add=archives.layer({"a": b"a" * 3000}))
B = archives.image("b", WHEN.format(2), parent=A, add=archives.layer({"b": b"b" * 3000}))
C = archives.image("c", WHEN.format(3), parent=B)
BARE = archives.image("bare", WHEN.format(4))
CHAIN = os.path.join(os.path.dirname(__file__), "..", "..", "data", "alpine-chain.tar.gz")


def saved(stock: Stock, *names: str, layout: str = "docker") -> bytes:
    target = io.BytesIO()
    save(stock.store, names, target, layout=layout)
    return target.getvalue()


def fill(stock: Stock) -> None:
    """Store A, B built on it and C on that; all of them have names, C those of two repositories."""
    items = [
        Item(A, ("a:1",)),
        Item(B, ("b:1", "b:2"), A),
        Item(C, ("c:1", "q.io/c:1"), B),
        Item(BARE, ("bare:1",)),
    ]
    load(stock.store, io.BytesIO(archives.docker_archive(items)), lambda _report: None)


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {}
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            found[member.name] = file.read() if file else b""
        return found


def manifest(archive: bytes) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(members(archive)["manifest.json"])
    return items


def tags(archive: bytes) -> list[list[str] | None]:
    return [item["RepoTags"] for item in manifest(archive)]


@pytest.mark.parametrize(
    ("names", "digest"),
    [
        (["notes:2.0"], "fc27179d2656d3ab29d053405e3c08ee212cd25c3b66d91683449223216a5fe9"),
        (
            ["notes:1.0", "archive/notes:first"],
            "11240197f28abcefd4a6e14619aa90c763f20a70c37f2a046fb024cadde71735",
        ),
        (["alpine"], "145b5eac5375a420fb79c5402830e07939ebd0edf5dad79bd12e0e394cfbd81d"),
    ],
)
def test_archive_is_dockers_to_the_byte(names: Sequence[str], digest: str, stock: Stock) -> None:
    """The digests are those of what `docker save` of engine 20.10.24 wrote of the same images."""
    with open(CHAIN, "rb") as file:
        load(stock.store, file, lambda _report: None)
    assert hashlib.sha256(saved(stock, *names)).hexdigest() == digest


@pytest.mark.parametrize("layout", LAYOUTS)
def test_equal_stores_give_equal_bytes(layout: str, stock: Stock) -> None:
    fill(stock)
    first = saved(stock, "c", "b:1", A.id, layout=layout)
    stock.now += 10**12
    assert saved(stock, "c", "b:1", A.id, layout=layout) == first


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_saved_loads_to_the_same_images(layout: str, stock: Stock) -> None:
    fill(stock)
    names = stock.names()
    del names["bare:1"]
    archive = saved(stock, *names, layout=layout)
    stock.engine.remove_images([*names, BARE.id], force=True, now=True)
    load(stock.store, io.BytesIO(archive), lambda _report: None)
    assert stock.names() == names
    if layout != "oci":
        links = {image.id: image.parent for image in stock.engine.list_images({}, show_all=True)}
        assert links == {A.id: "", B.id: A.id, C.id: B.id}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a:1"], [["a:1"]]),
        (["a"], [["a:1"]]),
        (["b"], [["b:1", "b:2"]]),
        (["b:2", "b:1"], [["b:2", "b:1"]]),
        (["b:1", "b", "b:1"], [["b:1", "b:2"]]),
        ([A.id], [None]),
        ([A.id[7:]], [None]),
        ([A.id[7:19]], [None]),
        ([A.id[:20]], [None]),
        ([A.id, "a:1"], [["a:1"]]),
        (["c:1", "q.io/c:1"], [["c:1", "q.io/c:1"]]),
        (["docker.io/library/c:1"], [["c:1"]]),
        (["b:1", "a:1"], [["b:1"], ["a:1"]]),
    ],
)
def test_names_mean_what_they_mean_to_docker(
    names: Sequence[str], expected: list[list[str] | None], stock: Stock
) -> None:
    fill(stock)
    assert tags(saved(stock, *names)) == expected


def test_digest_reference_saves_an_image_without_names(stock: Stock) -> None:
    fill(stock)
    stock.name(stock.row(stock.names()["a:1"]).id, f"r@{A.id}")
    assert tags(saved(stock, f"r@{A.id}")) == [None]
    assert tags(saved(stock, "r")) == [None]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("nosuch", NotFound, "No such image: nosuch"),
        ("nosuch:1", NotFound, "reference does not exist"),
        ("a:2", NotFound, "reference does not exist"),
        ("sha256:abcdef", NotFound, "No such image: sha256:abcdef"),
        ("a" * 64, NotFound, f"No such image: sha256:{'a' * 64}"),
        ("Bad", Invalid, "invalid reference format: repository name must be lowercase"),
        ("bare:1", Unsupported, "empty export - not implemented"),
    ],
)
@pytest.mark.parametrize("before", [[], ["a:1"]])
def test_refusals_in_dockers_words(
    name: str, kind: type[LiganError], message: str, before: list[str], stock: Stock
) -> None:
    fill(stock)
    target = io.BytesIO()
    with pytest.raises(kind) as caught:
        save(stock.store, [*before, name], target)
    assert str(caught.value) == message
    assert target.getvalue() == b""


def test_prefix_of_several_ids_is_ambiguous(stock: Stock) -> None:
    prefixes: dict[str, int] = {}
    for number in range(17):  # more than there are first digits
        image = stock.image(str(number))
        prefixes[image[7]] = prefixes.get(image[7], 0) + 1
    prefix = max(prefixes, key=lambda digit: prefixes[digit])
    with pytest.raises(Invalid) as caught:
        saved(stock, prefix)
    assert str(caught.value) == "ambiguous digest string"


def test_layout_has_to_exist(stock: Stock) -> None:
    with pytest.raises(Invalid, match=r'^no such layout of an archive: "zip"$'):
        saved(stock, "a", layout="zip")


def test_parent_is_told_only_within_the_archive(stock: Stock) -> None:
    fill(stock)
    assert [item.get("Parent") for item in manifest(saved(stock, "c:1", "b:1"))] == [B.id, None]


def test_layer_is_written_once_and_linked_to(stock: Stock) -> None:
    fill(stock)
    with tarfile.open(fileobj=io.BytesIO(saved(stock, "a", "b"))) as tar:
        layers = {member.name: member for member in tar if member.name.endswith("layer.tar")}
    assert sum(member.isreg() for member in layers.values()) == 2
    (link,) = [member for member in layers.values() if member.issym()]
    layer = layers[os.path.normpath(f"{os.path.dirname(link.name)}/{link.linkname}")]
    assert layer.size == len(A.layers[0])
    assert (layer.mtime, link.mtime) == (1672531200, 1672617600)  # when A was created, and B


def test_events_tell_what_was_saved(stock: Stock) -> None:
    fill(stock)
    saved(stock, "b", "a")
    with stock.store.database.read() as tx:
        events = tx.all("SELECT actor FROM event WHERE action = 'save' ORDER BY key")
    assert events == [(B.id,), (A.id,)]


def test_docker_25_layout(stock: Stock) -> None:
    fill(stock)
    files = members(saved(stock, "b", A.id, layout="docker-25"))
    layers = [archives.digest(tar) for tar in B.layers]
    paths = [f"blobs/sha256/{layer[7:]}" for layer in layers]
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads(files["repositories"]) == {"b": {"1": layers[1][7:], "2": layers[1][7:]}}
    first, second = json.loads(files["manifest.json"])
    assert first == {
        "Config": f"blobs/sha256/{B.id[7:]}",
        "RepoTags": ["b:1", "b:2"],
        "Layers": paths,
        "Parent": A.id,
        "LayerSources": {
            layer: {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": layer,
                "size": len(tar),
            }
            for layer, tar in zip(layers, B.layers, strict=True)
        },
    }
    assert second["RepoTags"] is None
    assert files[paths[0]] == A.layers[0]


@pytest.mark.parametrize("layout", ["docker-25", "oci"])
def test_index_lists_every_image_and_nothing_is_unreferenced(layout: str, stock: Stock) -> None:
    """Docker 25 leaves out images without names behind others, and adds blobs that nothing names."""
    fill(stock)
    files = members(saved(stock, "b", A.id, layout=layout))
    index = json.loads(files["index.json"])
    assert [entry.get("annotations") for entry in index["manifests"]] == [
        {"io.containerd.image.name": "docker.io/library/b:1", "org.opencontainers.image.ref.name": "1"},
        {"io.containerd.image.name": "docker.io/library/b:2", "org.opencontainers.image.ref.name": "2"},
        None,
    ]
    reached: set[str] = set()
    for entry in index["manifests"]:
        document = json.loads(blob(files, entry, reached))
        for descriptor in (document["config"], *document["layers"]):
            blob(files, descriptor, reached)
    assert {name for name in files if name.startswith("blobs/sha256/")} == reached


def blob(files: dict[str, bytes], descriptor: dict[str, Any], reached: set[str]) -> bytes:
    """Return what a descriptor names, which must be as it says."""
    name = f"blobs/sha256/{descriptor['digest'][7:]}"
    reached.add(name)
    assert archives.digest(files[name]) == descriptor["digest"]
    assert len(files[name]) == descriptor["size"]
    return files[name]


def test_oci_layout_has_nothing_of_dockers(stock: Stock) -> None:
    fill(stock)
    top = {name.partition("/")[0] for name in members(saved(stock, "b", layout="oci"))}
    assert top == {"blobs", "index.json", "oci-layout"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_come_before_what_is_in_them(layout: str, stock: Stock) -> None:
    fill(stock)
    with tarfile.open(fileobj=io.BytesIO(saved(stock, "c", "a", layout=layout))) as tar:
        names = tar.getnames()
    assert names == sorted(names, key=lambda name: name.split("/"))
    assert len(names) == len(set(names))
    assert {os.path.dirname(name) for name in names} <= {*names, ""}


def test_file_pipe_and_memory_get_the_same(stock: Stock, tmp_path: Path) -> None:
    fill(stock)
    expected = saved(stock, "c")
    path = tmp_path / "archive"
    for mode in ("wb", "ab"):  # a file opened for appending takes no copy by the kernel
        path.unlink(missing_ok=True)
        with open(path, mode) as file:
            save(stock.store, ["c"], file)
        assert path.read_bytes() == expected
    reading, writing = os.pipe()
    received: list[bytes] = []

    def drain() -> None:
        with open(reading, "rb") as source:
            received.append(source.read())

    reader = threading.Thread(target=drain)
    reader.start()
    with open(writing, "wb") as pipe:
        save(stock.store, ["c"], pipe)
    reader.join()
    assert received == [expected]


def test_archive_begins_where_the_file_stands(stock: Stock, tmp_path: Path) -> None:
    fill(stock)
    path = tmp_path / "archive"
    with open(path, "wb") as file:
        file.write(b"before")
        save(stock.store, ["c"], file)
        file.write(b"after")
    assert path.read_bytes() == b"before" + saved(stock, "c") + b"after"


def test_reader_that_goes_away_is_an_error(stock: Stock) -> None:
    fill(stock)
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe, pytest.raises(Unavailable, match=r"^write archive: broken pipe$"):
        save(stock.store, ["c"], pipe)


def test_full_disk_is_an_error(stock: Stock) -> None:
    fill(stock)
    with (
        open("/dev/full", "wb") as full,
        pytest.raises(NoSpace, match=r"^write archive: no space left on device$"),
    ):
        save(stock.store, ["c"], full)


def test_image_deleted_while_it_is_saved_is_saved_whole(stock: Stock) -> None:
    fill(stock)
    expected = saved(stock, "c")

    class Deleting(io.BytesIO):
        def write(self, data: Any, /) -> int:
            if not self.getvalue():
                stock.engine.remove_images(["c:1", "q.io/c:1", "b:1", "b:2", "a:1"], now=True)
            return super().write(data)

    target = Deleting()
    save(stock.store, ["c"], target)
    assert target.getvalue() == expected
    assert "c:1" not in stock.names()


def test_store_that_may_only_be_read_can_be_saved_from(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(stock)

    def refuse(_database: Database) -> None:
        raise Unavailable("the store is read-only")

    monkeypatch.setattr(Database, "write", refuse)
    assert tags(saved(stock, "a")) == [["a:1"]]


def test_more_layers_than_open_files_raises_the_limit(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (65, 1000))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: asked.append(limits))
    fill(stock)
    saved(stock, "b")
    assert asked == [(66, 1000)]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (65, 65))
    with pytest.raises(Unavailable, match="an archive of 2 layers needs 66 open files"):
        saved(stock, "b")


def test_missing_layer_of_a_damaged_store_is_named(stock: Stock) -> None:
    fill(stock)
    layer = Digest(archives.digest(B.layers[1]))
    path = stock.store.layout.blob(layer)
    os.rename(path, f"{path}.away")
    target = io.BytesIO()
    with pytest.raises(Corrupt, match=layer):
        save(stock.store, ["b"], target)
    os.rename(f"{path}.away", path)
    assert target.getvalue() == b""


@pytest.mark.parametrize("change", [-1, 1])
def test_layer_of_another_size_is_an_error_before_anything_is_written(stock: Stock, change: int) -> None:
    fill(stock)
    layer = Digest(archives.digest(B.layers[1]))
    path, size = stock.store.layout.blob(layer), len(B.layers[1])
    os.truncate(path, size + change)
    target = io.BytesIO()
    with pytest.raises(Corrupt, match=f"{layer} is damaged: {size + change} bytes instead of {size}"):
        save(stock.store, ["b"], target)
    with open(path, "wb") as file:
        file.write(B.layers[1])
    assert target.getvalue() == b""


def test_layer_that_gets_shorter_meanwhile_is_an_error(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(stock)
    monkeypatch.setattr(os, "pread", lambda *_arguments: b"")
    with pytest.raises(Corrupt, match="ends at 0 of"):
        saved(stock, "a")


def test_plan_reads_only(stock: Stock) -> None:
    fill(stock)
    with stock.store.database.read() as tx:
        plan = plan_save(tx, stock.store.layout, ["b"])
    assert [image.config.id for image in plan.images] == [B.id]
    assert list(plan.blobs) == [archives.digest(tar) for tar in B.layers]


def test_full_target_by_the_kernel_is_told_as_such(
    stock: Stock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(stock)

    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "copy_file_range", full)
    with open(tmp_path / "archive", "wb") as file, pytest.raises(NoSpace):
        save(stock.store, ["c"], file)
