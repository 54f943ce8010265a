"""Loading: what ends up in the store, what is said, and that nothing is left of what fails."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import Corrupt, Invalid, LiganError
from ligan.images.load import LoadOutcome, load
from ligan.images.staging import LoadProgress
from ligan.oci.digest import Digest, DigestMismatch, ImageID
from ligan.store.store import Policy
from tests.support import archives, layouts, tars
from tests.support.archives import Item
from tests.support.layouts import Layout, named
from tests.support.stores import Stock, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WHEN = "2023-01-0{}T00:00:00Z"
A = archives.image("a", WHEN.format(1), add=archives.layer({"a": b"a" * 3000}))
B = archives.image("b", WHEN.format(2), parent=A, add=archives.layer({"b": b"b" * 3000}))
C = archives.image("c", WHEN.format(3), parent=B, labels={"x": "y"})
BARE = archives.image("bare", WHEN.format(4))


def load_into(stock: Stock, archive: bytes | str) -> tuple[list[str], LoadOutcome]:
    """Load an archive, or a folder by its path; returns the messages and the outcome."""
    said: list[str] = []
    source = io.BytesIO(archive) if isinstance(archive, bytes) else archive
    outcome = load(stock.store, source, lambda report: _keep(said, report))
    return said, outcome


def _keep(said: list[str], report: LoadProgress | str) -> None:
    if isinstance(report, str):
        said.append(report)


def docker(*items: Item, change: Callable[[dict[str, bytes]], object] = lambda _files: None) -> bytes:
    """Return a docker-archive, its members changed before it is packed."""
    with tars.opened(archives.docker_archive(items)) as fd:
        files = _files(fd)
    change(files)
    return layouts.as_tar(files)


def _files(fd: int) -> dict[str, bytes]:
    from ligan.layers.tar import members

    return {member.name: os.pread(fd, member.stored, member.offset) for member in members(fd)}


def edited(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    """Change fields of the first item of the manifest."""

    def change(files: dict[str, bytes]) -> None:
        manifest = json.loads(files["manifest.json"])
        manifest[0].update(changes)
        files["manifest.json"] = json.dumps(manifest).encode()

    return change


def layer_path(image: archives.Image, position: int) -> str:
    return f"{archives.digest(image.layers[position])[7:]}/layer.tar"


def test_images_layers_names_and_sizes(stock: Stock) -> None:
    said, outcome = load_into(stock, docker(Item(A, ("a:1",)), Item(B, ("b:1", "q.io/b:2"))))
    assert said == ["Loaded image: a:1", "Loaded image: b:1", "Loaded image: q.io/b:2"]
    assert outcome == LoadOutcome((ImageID(A.id), ImageID(B.id)), ())
    assert stock.names() == {"a:1": A.id, "b:1": B.id, "q.io/b:2": B.id}
    sizes = {image.id: image.size for image in stock.engine.list_images({})}
    assert sizes == {A.id: 3000, B.id: 6000}


def test_image_without_layers(stock: Stock) -> None:
    said, _outcome = load_into(stock, docker(Item(BARE, ("bare:1",))))
    assert said == ["Loaded image: bare:1"]
    assert stock.names() == {"bare:1": BARE.id}


def test_loading_again_says_the_same_and_changes_nothing(stock: Stock) -> None:
    archive = docker(Item(A, ("a:1",)), Item(B, ("b:1",), A))
    said, _outcome = load_into(stock, archive)
    before = stock.dump()
    assert load_into(stock, archive)[0] == said
    assert stock.dump() == before


def test_layer_that_is_there_need_not_be_in_the_archive(stock: Stock) -> None:
    load_into(stock, docker(Item(A)))
    archive = docker(Item(B, ("b:1",)), change=lambda files: files.pop(layer_path(B, 0)))
    assert load_into(stock, archive)[0] == ["Loaded image: b:1"]


def test_layer_that_only_undo_holds_has_to_be_in_the_archive(stock: Stock) -> None:
    load_into(stock, docker(Item(A, ("a:1",))))
    stock.engine.remove_images(["a:1"])
    with pytest.raises(Invalid, match=r"^open .*layer\.tar: no such file or directory$"):
        load_into(stock, docker(Item(A, ("a:1",)), change=lambda files: files.pop(layer_path(A, 0))))
    before = stock.disk_bytes()
    load_into(stock, docker(Item(A, ("a:1",))))
    assert stock.names() == {"a:1": A.id}
    assert stock.disk_bytes() == before


def test_equal_layers_are_stored_once(stock: Stock) -> None:
    stock.store.policy = stock.store.policy.replace(storage_driver="vfs")  # which makes nothing of a layer
    twice = archives.image("twice", WHEN.format(5), parent=A, add=A.layers[0])
    load_into(stock, docker(Item(twice, ("t:1",))))
    assert stock.disk_bytes() == len(A.layers[0]) + len(twice.config)


def test_name_moves_and_is_said_to(stock: Stock) -> None:
    load_into(stock, docker(Item(A, ("x:1",))))
    said, _outcome = load_into(stock, docker(Item(B, ("x:1",))))
    assert said == [
        f"The image x:1 already exists, renaming the old one with ID {A.id} to empty string",
        "Loaded image: x:1",
    ]
    assert stock.names() == {"x:1": B.id}


def test_ids_are_told_if_the_last_image_has_no_name(stock: Stock) -> None:
    said, outcome = load_into(stock, docker(Item(A, ("a:1",)), Item(B), Item(BARE)))
    assert said == [
        "Loaded image: a:1",
        f"Loaded image ID: {A.id}\nLoaded image ID: {B.id}\nLoaded image ID: {BARE.id}",
    ]
    assert outcome.notes == ()


def test_other_images_without_names_are_noted(stock: Stock) -> None:
    said, outcome = load_into(stock, docker(Item(A), Item(B, ("b:1",))))
    assert said == ["Loaded image: b:1"]
    assert outcome.notes == (f"Loaded image ID: {A.id}",)


def test_empty_manifest_says_nothing(stock: Stock) -> None:
    assert load_into(stock, docker()) == ([], LoadOutcome((), ()))


def test_event_of_each_image(stock: Stock) -> None:
    load_into(stock, docker(Item(A, ("a:1", "a:2")), Item(C, ("c:1",))))
    with stock.store.database.read() as tx:
        events = tx.all("SELECT action, actor, attributes FROM event ORDER BY key")
    assert [(action, actor) for action, actor, _attributes in events] == [("load", A.id), ("load", C.id)]
    assert json.loads(events[1][2]) == {"name": C.id, "x": "y"}


def parents(stock: Stock) -> dict[str, str]:
    return {image.id: image.parent for image in stock.engine.list_images({}, show_all=True) if image.parent}


@pytest.mark.parametrize("damage", [os.unlink, lambda path: os.truncate(path, 7)])
def test_what_a_delete_left_damaged_is_whole_once_it_is_loaded_again(
    stock: Stock, damage: Callable[[str], None]
) -> None:
    load_into(stock, docker(Item(A, ("a:1",))))
    stock.engine.remove_images(["a:1"])
    for fault in (A.id, archives.digest(A.layers[0])):
        damage(stock.store.layout.blob(Digest(fault)))
    assert len(stock.engine.fsck()) == 2
    load_into(stock, docker(Item(A, ("a:1",))))
    assert stock.engine.fsck() == []


def test_parents_in_the_archive_are_linked_in_any_order(stock: Stock) -> None:
    load_into(stock, docker(Item(C, ("c:1",), B), Item(B, (), A), Item(A)))
    assert parents(stock) == {C.id: B.id, B.id: A.id}


def test_parent_outside_of_the_archive_is_not(stock: Stock) -> None:
    load_into(stock, docker(Item(A)))
    load_into(stock, docker(Item(B, (), A)))
    assert parents(stock) == {}


def test_parent_has_to_be_one_step_back(stock: Stock) -> None:
    with pytest.raises(Invalid) as caught:
        load_into(stock, docker(Item(B, ("b:1",), A), Item(A), Item(C, ("c:1",), A)))
    assert str(caught.value) == f"image {A.id} is not a valid parent for {C.id}"
    assert parents(stock) == {B.id: A.id}
    assert stock.names() == {"b:1": B.id, "c:1": C.id}


def test_parent_that_is_there_stays(stock: Stock) -> None:
    load_into(stock, docker(Item(B, (), A), Item(A)))
    load_into(stock, docker(Item(B)))
    assert parents(stock) == {B.id: A.id}


def built_on(base: archives.Image, step: str) -> archives.Image:
    """Return the image of one more step, with what the classic builder leaves in the config."""
    made = archives.image(step, WHEN.format(6), parent=base)
    document = json.loads(made.config)
    document["config"]["Image"] = base.id
    return archives.Image(json.dumps(document).encode(), made.layers)


def test_base_in_the_store_is_linked_again(stock: Stock) -> None:
    child = built_on(A, "child")
    load_into(stock, docker(Item(child, ("child:1",))))
    assert parents(stock) == {}
    load_into(stock, docker(Item(A)))
    load_into(stock, docker(Item(child, ("child:1",))))
    assert parents(stock) == {child.id: A.id}


def test_base_that_is_no_step_back_is_passed_over(stock: Stock) -> None:
    stranger = archives.Image(built_on(A, "x").config.replace(A.id.encode(), BARE.id.encode()), A.layers)
    load_into(stock, docker(Item(BARE), Item(stranger, ("s:1",))))
    assert parents(stock) == {}


PACKERS = [gzip.compress, bz2.compress, lzma.compress, zstd.compress]


@pytest.mark.parametrize("pack", PACKERS)
def test_archive_and_layers_may_be_compressed(pack: Callable[[bytes], bytes], stock: Stock) -> None:
    def compress(files: dict[str, bytes]) -> None:
        for name in files:
            if name.endswith("layer.tar"):
                files[name] = pack(files[name])

    load_into(stock, pack(docker(Item(B, ("b:1",)), change=compress)))
    assert stock.names() == {"b:1": B.id}


def test_file_is_read_in_place(stock: Stock, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(docker(Item(B, ("b:1",))))
    with open(path, "rb") as file:
        load(stock.store, file, lambda _report: None)
    assert stock.names() == {"b:1": B.id}


def test_pipe_is_read_to_its_end(stock: Stock) -> None:
    reading, writing = os.pipe()
    archive = docker(Item(BARE, ("b:1",)))
    os.write(writing, archive)  # it fits the pipe's buffer
    os.close(writing)
    with open(reading, "rb") as file:
        load(stock.store, file, lambda _report: None)
    assert stock.names() == {"b:1": BARE.id}


def test_layer_may_be_a_link_as_docker_saves_it(stock: Stock) -> None:
    files = layouts.as_tar({"c.json": A.config, "one/layer.tar": A.layers[0]})[: -len(tars.END)]
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["two/layer.tar"]}]).encode()
    linked = tars.symlink("two/layer.tar", "../one/layer.tar") + tars.entry("manifest.json", data=manifest)
    load_into(stock, files + linked + tars.END)
    assert stock.names() == {"a:1": A.id}


def test_docker_25_archive(stock: Stock) -> None:
    layout = Layout()
    layout.entries = [layout.manifest(B, annotations=named("other:1"))]
    item = {"Config": layouts.path(B.id), "RepoTags": ["b:1"]}
    item["Layers"] = [layouts.path(archives.digest(tar)) for tar in B.layers]
    files = {**layout.finish(), "manifest.json": json.dumps([item]).encode()}
    assert load_into(stock, layouts.as_tar(files))[0] == ["Loaded image: b:1"]


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_oci_layout(compress: bool, packed: bool, stock: Stock, tmp_path: Path) -> None:
    layout = Layout()
    layout.entries = [layout.manifest(B, compress=compress, annotations=named("b:1"))]
    files = layout.finish()
    source = layouts.as_tar(files) if packed else layouts.as_folder(files, str(tmp_path / "layout"))
    assert load_into(stock, source)[0] == ["Loaded image: b:1"]
    assert stock.names() == {"b:1": B.id}


def test_progress_reaches_the_size_of_each_layer(stock: Stock) -> None:
    reports: list[LoadProgress] = []
    load(
        stock.store,
        io.BytesIO(docker(Item(B))),
        lambda report: reports.append(report) if isinstance(report, LoadProgress) else None,
    )
    last = {report.layer: (report.current, report.total) for report in reports}
    assert last == {archives.digest(tar)[7:19]: (len(tar), len(tar)) for tar in B.layers}


def zeroed(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        files[name] = files[name][:600] + bytes(100) + files[name][700:]

    return change


def replaced(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({name: data})


BROKEN = "Error processing tar file(exit status 1): "

FAULTS: list[tuple[str, bytes, type[LiganError], str]] = [
    ("nothing", b"", Invalid, "open repositories: no such file or directory"),
    ("junk", b"junk\n", Corrupt, BROKEN + "unexpected EOF"),
    ("zeros", bytes(10240), Invalid, "open repositories: no such file or directory"),
    ("noise", b"\xa5" * 2048, Corrupt, BROKEN + "archive/tar: invalid tar header"),
    ("truncated", docker(Item(A))[:2000], Corrupt, BROKEN + "unexpected EOF"),
    (
        "a file system",
        tars.entry("bin/sh", size=9) + tars.END,
        Invalid,
        "open bin/json: no such file or directory",
    ),
    (
        "no config",
        docker(Item(A), change=lambda files: files.pop(f"{A.id[7:]}.json")),
        Invalid,
        f"open {A.id[7:]}.json: no such file or directory",
    ),
    (
        "no layer",
        docker(Item(A), change=lambda files: files.pop(layer_path(A, 0))),
        Invalid,
        f"open {layer_path(A, 0)}: no such file or directory",
    ),
    (
        "one layer too few",
        docker(Item(B), change=edited(Layers=[layer_path(B, 0)])),
        Invalid,
        "invalid manifest, layers length mismatch: expected 1, got 2",
    ),
    (
        "another layer",
        docker(Item(B), change=edited(Layers=[layer_path(B, 1)] * 2)),
        DigestMismatch,
        f'invalid diffID for layer 0: expected "{archives.digest(B.layers[0])}", '
        f'got "{archives.digest(B.layers[1])}"',
    ),
    (
        "a changed byte",
        docker(Item(B), change=zeroed(layer_path(B, 1))),
        DigestMismatch,
        "invalid diffID for layer 1: ",
    ),
    (
        "a layer that is no tar",
        docker(Item(A), change=replaced(layer_path(A, 0), b"junk")),
        Corrupt,
        BROKEN + "unexpected EOF",
    ),
    (
        "a layer cut off in its compression",
        docker(Item(A), change=replaced(layer_path(A, 0), gzip.compress(A.layers[0])[:-9])),
        Corrupt,
        BROKEN + "unexpected EOF",
    ),
    (
        "a device for a layer",
        docker(Item(A), change=lambda files: files.pop(layer_path(A, 0)))[: -len(tars.END)]
        + tars.entry(layer_path(A, 0), b"3")
        + tars.END,
        Invalid,
        f"open {layer_path(A, 0)}: no such file or directory",
    ),
    (
        "a link to outside for a layer",
        docker(Item(A), change=lambda files: files.pop(layer_path(A, 0)))[: -len(tars.END)]
        + tars.symlink(layer_path(A, 0), "../../../../../../etc/passwd")
        + tars.END,
        Invalid,
        "open etc/passwd: no such file or directory",
    ),
    (
        "a path to outside for a config",
        docker(Item(A), change=edited(Config="../../../../../../etc/passwd")),
        Invalid,
        "open etc/passwd: no such file or directory",
    ),
    (
        "no time of creation",
        docker(
            Item(archives.Image(A.config.replace(WHEN.format(1).encode(), b"yesterday"), A.layers), ("a:1",))
        ),
        Invalid,
        'invalid image JSON: created "yesterday" is not a time of RFC 3339',
    ),
    ("a name in capitals", docker(Item(A, ("A:1",))), Invalid, "invalid reference format"),
    ("a name without a tag", docker(Item(A, ("a",))), Invalid, 'invalid tag "a"'),
    (
        "a digest for a name",
        docker(Item(A, (f"a@{A.id}",))),
        Invalid,
        f'invalid tag "a@{A.id}"',
    ),
    ("a reserved name", docker(Item(A, ("sha256:x",))), Invalid, "refusing to create an ambiguous tag"),
]


@pytest.mark.parametrize(
    ("archive", "kind", "message"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_faulty_archive_leaves_nothing(
    archive: bytes, kind: type[LiganError], message: str, stock: Stock
) -> None:
    with pytest.raises(kind) as caught:
        load_into(stock, archive)
    assert str(caught.value).startswith(message)
    assert stock.images() == set()
    assert stock.disk_bytes() == 0


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (tars.link("x", "/etc/passwd"), "link /etc/passwd /x: no such file or directory"),
        (tars.entry("a/b") + tars.entry("a", size=1) + tars.entry("a/c"), "open /a/c: not a directory"),
        (tars.entry("x", b"S"), "unhandled tar header type 83"),
        (tars.entry("x", b"9"), "unhandled tar header type 57"),
    ],
)
def test_hostile_layer_is_refused(member: bytes, message: str, stock: Stock) -> None:
    image = archives.image("hostile", WHEN.format(1), parent=A, add=member + tars.END)
    with pytest.raises(Corrupt) as caught:
        load_into(stock, docker(Item(image, ("h:1",))))
    assert message in str(caught.value)
    assert stock.disk_bytes() == 0


@pytest.mark.parametrize(
    "member",
    [
        tars.entry("../../etc/passwd", size=3),
        tars.entry("/etc/passwd", size=3),
        tars.folder("etc") + tars.symlink("out", "/../../etc") + tars.entry("out/x", size=3),
        tars.entry("null", b"3"),
        tars.entry("\udcff\udcfe", size=3),
    ],
)
def test_layer_that_only_looks_hostile_is_kept_as_it_is(member: bytes, stock: Stock) -> None:
    image = archives.image("odd", WHEN.format(1), parent=A, add=member + tars.END)
    load_into(stock, docker(Item(image, ("odd:1",))))
    assert stock.names() == {"odd:1": image.id}


def test_sparse_claim_takes_no_space(stock: Stock) -> None:
    records = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.numblocks": "0"}
    records |= {"GNU.sparse.map": "", "GNU.sparse.size": str(10 << 30)}
    sparse = tars.extended(records) + tars.entry("huge", data=b"") + tars.END
    image = archives.image("sparse", WHEN.format(1), add=sparse)
    load_into(stock, docker(Item(image, ("s:1",))))
    (summary,) = stock.engine.list_images({})
    assert summary.size == 10 << 30
    assert stock.disk_bytes() < 10_000


def test_bomb_of_a_layer_is_stopped_at_the_limit(tmp_path: Path) -> None:
    bomb = gzip.compress(tars.entry("zeros", data=bytes(8 << 20)) + tars.END)
    with opened(f"{tmp_path}/store", Policy(disk_limit=1.0, max_layer_size=1 << 20)) as stock:
        with pytest.raises(Invalid, match=r"^decompressed content exceeds the limit of 1048576 bytes$"):
            load_into(stock, docker(Item(A), change=replaced(layer_path(A, 0), bomb)))
        assert stock.disk_bytes() == 0


def test_images_before_the_faulty_one_stay(stock: Stock) -> None:
    said: list[str] = []
    archive = docker(Item(A, ("a:1",)), Item(B, ("b:1",)), change=lambda files: files.pop(layer_path(B, 1)))
    with pytest.raises(Invalid):
        load(stock.store, io.BytesIO(archive), lambda report: _keep(said, report))
    assert said == ["Loaded image: a:1"]
    assert stock.names() == {"a:1": A.id}


def test_too_many_layers_are_refused(stock: Stock) -> None:
    image = None
    for number in range(126):
        image = archives.image(
            str(number), WHEN.format(1), parent=image, add=archives.layer({str(number): b""})
        )
    assert image is not None
    with pytest.raises(Invalid, match=r"^max depth exceeded$"):
        load_into(stock, docker(Item(image, ("deep:1",))))
    assert stock.disk_bytes() == 0


def test_lowest_faulty_layer_is_the_one_that_is_told(stock: Stock) -> None:
    image = None
    for number in range(8):
        image = archives.image(
            str(number), WHEN.format(1), parent=image, add=archives.layer({str(number): b"x"})
        )
    assert image is not None
    paths = [layer_path(image, 2)] * 8
    with pytest.raises(DigestMismatch, match=r"^invalid diffID for layer 0: "):
        load_into(stock, docker(Item(image), change=edited(Layers=paths)))


def test_layer_that_is_deleted_meanwhile_is_staged_as_well(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_into(stock, docker(Item(A, ("a:1",))))
    write = stock.store.database.write
    calls: list[int] = []

    def write_after_a_delete(**options: Any) -> Any:
        if not calls:
            calls.append(1)
            stock.engine.remove_images(["a:1"], now=True)
        return write(**options)

    monkeypatch.setattr(stock.store.database, "write", write_after_a_delete)
    load_into(stock, docker(Item(B, ("b:1",))))
    assert stock.names() == {"b:1": B.id}


@pytest.mark.parametrize("layers", [1, 4])
def test_interrupt_ends_the_threads_and_leaves_nothing(layers: int, stock: Stock) -> None:
    image = None
    for number in range(layers):
        content = archives.layer({str(number): os.urandom(5 << 20)})
        image = archives.image(str(number), WHEN.format(1), parent=image, add=content)
    assert image is not None

    def interrupt(_report: LoadProgress | str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(stock.store, io.BytesIO(docker(Item(image))), interrupt)
    assert stock.disk_bytes() == 0
    assert os.listdir(stock.store.layout.ingest) == []


def test_threads_that_find_the_disk_full_have_the_owner_make_room(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_into(stock, docker(Item(A, ("a:1",))))
    stock.engine.remove_images(["a:1"])
    copy = os.copy_file_range

    def full_while_undo_holds(*arguments: Any) -> int:
        if stock_held():
            raise OSError(28, "No space left on device")
        return copy(*arguments)

    def stock_held() -> bool:
        return os.path.exists(stock.store.layout.blob(ImageID(A.id)))

    monkeypatch.setattr(os, "copy_file_range", full_while_undo_holds)
    load_into(stock, docker(Item(B, ("b:1",))))
    assert stock.names() == {"b:1": B.id}
    assert stock.engine.undo_entries() == []


def test_real_archive_comes_out_as_docker_has_it(stock: Stock) -> None:
    path = os.path.join(os.path.dirname(__file__), "..", "..", "data", "alpine-chain.tar.gz")
    said: list[str] = []
    with open(path, "rb") as file:
        load(stock.store, file, lambda report: _keep(said, report))
    assert said == [
        "Loaded image: notes:2.0",
        "Loaded image: alpine:latest",
        "Loaded image: notes:1.0",
        "Loaded image: archive/notes:first",
    ]
    short = {child[7:19]: parent[7:19] for child, parent in parents(stock).items()}
    assert short == {
        "03b8760f0ac1": "bde3ebc20807",
        "10b9b184ed2e": "03b8760f0ac1",
        "3f2f000812a3": "10b9b184ed2e",
        "da2ba5e9e2cd": "3f2f000812a3",
        "d86f1c980b0c": "da2ba5e9e2cd",
        "01fd97367333": "3f2f000812a3",
        "1a23db25232e": "01fd97367333",
        "4f5d03e3b24f": "1a23db25232e",
        "1c8583c3b6e7": "4f5d03e3b24f",
    }


def test_images_without_history_may_be_parents_but_not_of_each_other(stock: Stock) -> None:
    first, second = (archives.Image(b'{"rootfs":{},"number":%d}' % number, ()) for number in (1, 2))
    load_into(stock, docker(Item(first, ("a:1",), second), Item(second, ("b:1",), first)))
    assert parents(stock) == {first.id: second.id}


def test_settings_that_docker_cannot_read_are_refused(stock: Stock) -> None:
    odd = archives.Image(A.config.replace(b'["PATH=/bin"]', b"5"), A.layers)
    with pytest.raises(Invalid, match=r"^invalid image JSON: config\.Env cannot be 5$"):
        load_into(stock, docker(Item(odd, ("a:1",))))
