"""COPY and ADD against what a real dockerd 20.10 made of the same (tests/data/make_copies.py)."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from ligan.build import sums
from ligan.build.copying import (
    Options,
    check_destination,
    copy_layer,
    destination_path,
    find_sources,
)
from ligan.build.folder_tree import FolderTree
from ligan.build.modes import parse_mode
from ligan.build.owners import owner_of
from ligan.build.tar_tree import TarTree
from ligan.dockerfile.ignore import Ignore
from ligan.errors import Corrupt, Invalid, LiganError
from ligan.layers.unpack import apply_layer
from tests.support.copies import TIME, file, folder, hard, link, listed, recorded, tar_of
from tests.support.stores import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ligan.build.trees import Tree
    from ligan.store.blobs import Lease

BASE, CONTEXTS, CASES = recorded()


def tree_of(data: bytes) -> TarTree:
    memory = os.memfd_create("tar")
    os.write(memory, data)
    return TarTree(memory)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("base")
    memory = os.memfd_create("tar")
    os.write(memory, tar_of(BASE))
    try:
        apply_layer(memory, str(root))
    finally:
        os.close(memory)
    return root


@pytest.fixture(scope="module")
def lease(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lease]:
    with opened(str(tmp_path_factory.mktemp("store") / "store")) as stock, stock.store.lease() as lease:
        yield lease


def answer_of(tree: Tree, root: str, copy: str, lease: Lease) -> dict[str, Any]:
    """Return what a copy comes to, in the form of dockerd's answers."""
    command, *words = copy.split()
    flags = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))
    *paths, target = [word for word in words if not word.startswith("--")]
    try:
        sources = find_sources(tree, paths, in_context="from" not in flags)
    except LiganError as error:
        return {"error": f"{command} failed: {error}"}
    try:
        check_destination(command, sources, target)
    except Invalid as error:
        return {"error": str(error)}
    owner: tuple[int, int] | None = None if "from" in flags else (0, 0)
    if "chown" in flags:
        with FolderTree(root) as image:
            try:
                owner = owner_of(image, flags["chown"], classic=True)
            except LiganError as error:
                return {"error": f"unable to convert uid/gid chown string to host mapping: {error}"}
    options = Options(classic=True, owner=owner, unpack=command == "ADD", time=TIME + 1)
    try:
        layer = copy_layer(root, sources, destination_path("", target), options, lease)
    except LiganError as error:
        return {"error": f"failed to copy files: {error}"}
    chown = f"--chown={flags['chown']}" if "chown" in flags else ""
    total = chown + sums.sources_sum([source.sum() for source in sources])
    data = b"".join(layer)
    return {"sum": total, "size": layer.size, "members": [] if layer.is_empty else listed(data)}


def with_times_of(wanted: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer with dockerd's time for folders that got the time of the copy from it.

    Here folders of the image keep theirs, and those that an archive implies have that of what is in them.
    """
    now = {member[0] for member in wanted.get("members", ()) if member[1] == "5" and not member[7]}
    for member in answer.get("members", ()):
        member[7] &= member[0] not in now
    return answer


@pytest.mark.root
@pytest.mark.parametrize("case", CASES, ids=[f"{case['context']}-{case['copy'][:60]}" for case in CASES])
def test_copies_as_dockerd(case: dict[str, Any], base: Path, lease: Lease) -> None:
    copy, wanted = case["copy"], case["answer"]
    context = tar_of([*CONTEXTS[case["context"]], ("Dockerfile", file(f"FROM base:1\n{copy}\n"))])
    if wanted.get("error", "").startswith("Error processing tar file"):
        with pytest.raises(Corrupt) as refused:
            tree_of(context)
        assert str(refused.value) == wanted["error"]
        return
    with FolderTree(str(base)) if "--from" in copy else tree_of(context) as tree:
        assert with_times_of(wanted, answer_of(tree, str(base), copy, lease)) == wanted


def modern(
    root: str | None, tree: Tree, paths: list[str], destination: str, lease: Lease, **options: Any
) -> dict[str, list[Any]]:
    """Return the members of a modern copy by their names."""
    sources = find_sources(tree, paths, classic=False)
    layer = copy_layer(root, sources, destination, Options(classic=False, **options), lease)
    return {member[0]: member[1:] for member in listed(b"".join(layer))}


@pytest.fixture
def image(tmp_path: Path) -> str:
    root = tmp_path / "image"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "hosts").write_text("hosts")
    (root / "opt").symlink_to("/srv/../data")
    return str(root)


def context(*members: tuple[str, dict[str, Any]]) -> TarTree:
    return tree_of(tar_of(members))


def test_modern_copy_keeps_set_id_bits(image: str, lease: Lease) -> None:
    with context(("a", file("x", mode=0o4755))) as tree:
        assert modern(image, tree, ["a"], "/a", lease)["a"][1] == "0o104755"


def test_modern_copy_refuses_to_put_a_file_in_the_place_of_a_folder(image: str, lease: Lease) -> None:
    with context(("etc", file("x"))) as tree, pytest.raises(Invalid, match="replace to directory /etc with"):
        modern(image, tree, ["etc"], "/", lease)


def test_modern_copy_refuses_to_put_a_folder_in_the_place_of_a_file(image: str, lease: Lease) -> None:
    members = (("d", folder()), ("d/hosts", folder()))
    with context(*members) as tree, pytest.raises(Invalid, match="cannot copy to non-directory: /etc/hosts"):
        modern(image, tree, ["d"], "/etc", lease)


def test_modern_copy_refuses_the_device_that_marks_what_was_deleted(image: str, lease: Lease) -> None:
    members = (("d", folder()), ("d/hosts", {"type": "3", "devmajor": 0, "devminor": 0}))
    with context(*members) as tree, pytest.raises(Invalid, match="operation not permitted"):
        modern(image, tree, ["d"], "/etc", lease)


def test_modern_source_outside_of_the_context_begins_at_its_root(image: str, lease: Lease) -> None:
    with context(("a", file("x"))) as tree:
        assert "b" in modern(image, tree, ["../../a"], "/b", lease)


def test_modern_pattern_may_begin_with_a_link_and_match_nothing(image: str, lease: Lease) -> None:
    with context(("d/a", file("x")), ("d/b", file("y")), ("l", link("d"))) as tree:
        assert list(modern(image, tree, ["l/*"], "/n/", lease)) == ["n", "n/a", "n/b"]
        assert find_sources(tree, ["z*", "none/*", "d/z*", "l"], classic=False)[0].path == "l"
        assert find_sources(tree, ["z*", "none/*"], classic=False) == []
        with pytest.raises(Invalid, match="no source files were specified"):
            find_sources(tree, ["l/*"])


def test_new_mode_is_that_of_files_and_folders_but_of_no_link(image: str, lease: Lease) -> None:
    members = (("d", folder()), ("d/e", folder()), ("d/f", file("x")), ("d/l", link("f")))
    with context(*members) as tree:
        found = modern(image, tree, ["d"], "/n", lease, mode=parse_mode("0700"))
    modes = {name: fields[1] for name, fields in found.items()}
    assert modes == {"n": "0o40755", "n/e": "0o40700", "n/f": "0o100700", "n/l": "0o120777"}


def test_excluded_files_stay_behind_and_their_folders_too(image: str, lease: Lease) -> None:
    members = [(f"d/{name}", file("x")) for name in ("a.c", "a.h", "sub/b.c", "sub/b.h", "none/x.c")]
    with context(*members) as tree:
        found = modern(image, tree, ["d"], "/n/", lease, exclude=Ignore("**/*.c\nnone\n"))
    assert list(found) == ["n", "n/a.h", "n/sub", "n/sub/b.h"]


def test_parents_are_made_again_from_the_pivot_on(image: str, lease: Lease) -> None:
    members = (("a", folder()), ("a/b", folder(0o711)), ("a/b/c", folder()), ("a/b/c/f", file("x")))
    with context(*members) as tree:
        whole = modern(image, tree, ["a/b/c/f"], "/n", lease, parents=True)
        part = modern(image, tree, ["a/./b/c"], "/n", lease, parents=True)
        matched = modern(image, tree, ["a/./b/*/f"], "/n/", lease, parents=True)
        deep = find_sources(tree, ["a/./**/f", "**/c"], classic=False, parents=True)
    assert [(source.path, source.relative) for source in deep] == [
        ("a/b/c/f", "b/c/f"),
        ("a/b/c", "a/b/c"),
    ]
    assert list(whole) == ["n", "n/a", "n/a/b", "n/a/b/c", "n/a/b/c/f"]
    assert list(part) == list(matched) == ["n", "n/b", "n/b/c", "n/b/c/f"]
    assert part["n/b"][1] == "0o40711"


def test_copy_without_a_base_follows_no_link_of_the_image(image: str, lease: Lease) -> None:
    with context(("a", file("x"))) as tree:
        assert list(modern(image, tree, ["a"], "/opt/", lease)) == ["data", "data/a"]
        assert list(modern(None, tree, ["a"], "/opt/", lease)) == ["opt", "opt/a"]


def test_no_time_is_after_the_latest(image: str, lease: Lease) -> None:
    os.utime(f"{image}/etc", (TIME + 5, TIME + 5))
    with context(("a", file("x", mtime=TIME + 9)), ("b", file("y", mtime=5))) as tree:
        sources = find_sources(tree, ["a", "b"])
        for destination in ("/etc/", "/new/"):
            options = Options(classic=False, time=TIME + 3, latest=TIME)
            layer = b"".join(copy_layer(image, sources, destination, options, lease))
            with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
                assert [member.mtime for member in archive] == [TIME, TIME, 5]


def test_folders_keep_their_time_where_the_image_has_them(image: str, lease: Lease) -> None:
    os.utime(f"{image}/etc", (99, 99))
    with context(("imp/x", file("x", mtime=TIME - 5))) as tree:
        layer = b"".join(
            copy_layer(image, find_sources(tree, ["."]), "/etc", Options(classic=True, time=TIME), lease)
        )
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        assert {member.name: member.mtime for member in archive} == {
            "etc": 99,
            "etc/imp": TIME - 5,
            "etc/imp/x": TIME - 5,
        }


def test_the_same_copy_is_the_same_layer(image: str, lease: Lease) -> None:
    with context(("d/b", file("x")), ("d/a", hard("d/b")), ("d/c", folder())) as tree:
        layers = {
            b"".join(copy_layer(image, find_sources(tree, ["d"]), "/etc", Options(classic=True), lease))
            for _ in range(2)
        }
    assert len(layers) == 1


def test_later_sources_take_the_place_of_earlier_ones(image: str, lease: Lease) -> None:
    with context(("a/x", file("first")), ("b/x", file("2")), ("b/y", file("3"))) as tree:
        layer = copy_layer(image, find_sources(tree, ["a", "b"]), "/n/", Options(classic=True), lease)
        assert layer.size == 2
        assert [member[0] for member in listed(b"".join(layer))] == ["n", "n/x", "n/y"]


def test_links_of_the_image_that_go_in_a_circle_are_refused(image: str, lease: Lease) -> None:
    os.symlink("circle", f"{image}/circle")
    with context(("a", file("x"))) as tree, pytest.raises(Invalid, match="too many links in /circle/x"):
        modern(image, tree, ["a"], "/circle/x", lease)


@pytest.mark.parametrize(
    ("folder", "destination", "path"),
    [("/w", "x", "/w/x"), ("/w", "x/", "/w/x/"), ("", ".", "/"), ("/w", ".", "/w"), ("/w", "./", "/w/")],
)
def test_destination_is_relative_to_the_working_folder(folder: str, destination: str, path: str) -> None:
    assert destination_path(folder, destination) == path


@pytest.mark.parametrize(
    ("text", "owner"),
    [("ann", (7, 8)), ("ann:users", (7, 9)), ("12", (12, 12)), ("ann:3", (7, 3)), ("5:", (5, 5))],
)
def test_modern_owner_has_the_main_group_of_a_user(image: str, text: str, owner: tuple[int, int]) -> None:
    with open(f"{image}/etc/passwd", "w") as passwd, open(f"{image}/etc/group", "w") as group:
        passwd.write("ann:x:7:8::/:\n")
        group.write("users:x:9:\n")
    with FolderTree(image) as tree:
        assert owner_of(tree, text, classic=False) == owner
