"""Trees: what is found in them, and that a tar and a folder of the same files are the same tree."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from ligan.build import sums
from ligan.build.files_tree import file_tree
from ligan.build.folder_tree import FolderTree
from ligan.build.tar_tree import TarTree, open_tar
from ligan.build.trees import ForbiddenPath, has_wildcards
from ligan.dockerfile.ignore import Ignore
from ligan.errors import Corrupt, Unavailable
from tests.support.copies import file, folder, link, tar_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from pathlib import Path

    from ligan.build.trees import Tree
    from tests.support.stores import Stock


def tar_tree(*members: tuple[str, dict[str, Any]]) -> TarTree:
    memory = os.memfd_create("tar")
    os.write(memory, tar_of(members))
    return TarTree(memory)


def paths(tree: Tree, path: str = "") -> list[str]:
    return [entry.path for entry in tree.walk(path)]


LINKS = (
    ("d", folder()),
    ("d/f", file("x")),
    ("abs", link("/d")),
    ("up", link("../../d/./f")),
    ("d/back", link("../abs/f")),
    ("nowhere", link("d/none")),
    ("circle", link("circle2")),
    ("circle2", link("circle")),
)


def link_trees(tmp_path: Path) -> list[Tree]:
    for name, fields in LINKS:
        path = tmp_path / "links" / name
        path.parent.mkdir(exist_ok=True)
        if "linkname" in fields:
            path.symlink_to(fields["linkname"])
        elif "data" in fields:
            path.write_text(fields["data"])
        else:
            path.mkdir()
    return [tar_tree(*LINKS), FolderTree(str(tmp_path / "links"))]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", ""),
        (".", ""),
        ("/", ""),
        ("./d/../d//f", "d/f"),
        ("abs/f", "d/f"),
        ("up", "d/f"),
        ("d/back", "d/f"),
        ("abs/back", "d/f"),
        ("abs", "d"),
        ("nowhere", None),
        ("nowhere/x", None),
        ("none/../d", "d"),
        ("x" * 300, None),
        ("d/\0", None),
    ],
)
def test_links_are_followed_inside_the_tree(tmp_path: Path, path: str, found: str | None) -> None:
    for tree in link_trees(tmp_path):
        with tree:
            entry = tree.find(path)
            assert (None if entry is None else entry.path) == found


@pytest.mark.parametrize("path", ["..", "../d", "d/../../d", "circle", "circle/x", "d/f/x", "up/x"])
def test_what_leads_nowhere_good_is_forbidden(tmp_path: Path, path: str) -> None:
    for tree in link_trees(tmp_path):
        with tree, pytest.raises(ForbiddenPath) as refused:
            tree.find(path)
        assert str(refused.value) == f"forbidden path outside the build context: {path} ()"


def test_walk_sorts_the_names_of_each_folder_by_their_bytes() -> None:
    with tar_tree(*[(name, file("x")) for name in ("b/z", "b.c", "a", "b/\u00e9", "b/\udcff", "b-")]) as tree:
        assert paths(tree) == ["", "a", "b", "b/z", "b/\u00e9", "b/\udcff", "b-", "b.c"]
        assert paths(tree, "b") == ["b", "b/z", "b/\u00e9", "b/\udcff"]
        assert paths(tree, "a") == ["a"]
        assert paths(tree, "none") == []


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", ["a1", "a2", "b"]),
        ("a?", ["a1", "a2"]),
        ("*/*", ["b/a1", "b/c"]),
        ("b/[a-b]*", ["b/a1"]),
        ("b/[^a]", ["b/c"]),
        ("**/c/d", ["b/c/d"]),
        ("[", []),
        ("a[1", []),
    ],
)
def test_glob_matches_whole_paths(pattern: str, found: list[str]) -> None:
    with tar_tree(*[(name, file("x")) for name in ("a1", "a2", "b/a1", "b/c/d")]) as tree:
        assert [entry.path for entry in tree.glob(pattern)] == found


def test_wildcards_count_unless_escaped() -> None:
    assert [has_wildcards(path) for path in ("a*", "a?", "[a", "a\\*", "a\\\\*", "a]", "\\")] == [
        True,
        True,
        True,
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd.compress])
def test_tar_in_any_compression_is_a_tree(stock: Stock, pack: Any) -> None:
    packed = pack(tar_of([("a", file("content"))]))
    with stock.store.lease() as lease, open_tar(io.BytesIO(packed), lease) as tree:
        entry = tree.find("a")
        assert entry is not None
        assert tree.text(entry) == "content"


def test_uncompressed_tar_is_read_where_it_lies(stock: Stock, tmp_path: Path) -> None:
    (tmp_path / "tar").write_bytes(b"before" + tar_of([("a", file("content"))]))
    with (tmp_path / "tar").open("rb", buffering=0) as stream, stock.store.lease() as lease:
        stream.seek(6)
        with open_tar(stream, lease) as tree:
            assert paths(tree) == ["", "a"]
            assert os.listdir(lease.path) == []


def test_damaged_tar_is_refused_in_dockers_words(stock: Stock) -> None:
    whole = tar_of([("a", file("x" * 2000))])
    with stock.store.lease() as lease:
        for damaged in (whole[:1500], gzip.compress(whole)[:-30], b"x" * 1024):
            with pytest.raises(Corrupt, match=r"Error processing tar file\(exit status 1\): "):
                open_tar(io.BytesIO(damaged), lease)


def test_removed_path_is_gone_with_all_below_it() -> None:
    with tar_tree(("d/f", file("x")), ("d/e/g", file("y")), ("z", file("z"))) as tree:
        for path in ("d", "none", "z/none", "none/none"):
            tree.remove(path)
        assert paths(tree) == ["", "z"]
        assert tree.find("d/f") is None


def test_a_hundred_thousand_small_files_are_indexed_in_seconds() -> None:
    block = tar_of([("name-00000", file("x"))])[:1024]
    data = bytearray()
    for number in range(100_000):
        name = b"%05d" % number
        header = bytearray(block[:512])
        header[5:10] = name
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        data += header + block[512:1024]
    memory = os.memfd_create("tar")
    with open(memory, "wb", buffering=0, closefd=False) as stream:
        stream.write(data)
    began = time.process_time()
    with TarTree(memory) as tree:
        assert len(paths(tree)) == 100_001
        sums.path_sum(tree, "")
    assert time.process_time() - began < 30


def test_sockets_are_not_there(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, FolderTree(str(tmp_path)) as tree:
        listener.bind(str(tmp_path / "s"))
        assert paths(tree) == [""]
        assert tree.find("s") is None


def test_folder_that_is_not_there_is_told() -> None:
    with pytest.raises(Unavailable, match="no such file or directory"):
        FolderTree("/nowhere")


def test_file_that_became_shorter_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("long")
    with FolderTree(str(tmp_path)) as tree:
        entry = tree.find("f")
        assert entry is not None
        (tmp_path / "f").write_text("")
        with pytest.raises(Unavailable, match="became shorter"):
            b"".join(tree.read(entry))


def test_link_that_replaces_a_folder_meanwhile_leads_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "in" / "d").mkdir(parents=True)
    (tmp_path / "in" / "d" / "f").write_text("inside")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "f").write_text("secret")
    with FolderTree(str(tmp_path / "in")) as tree:
        entry = tree.find("d/f")
        assert entry is not None
        assert tree.find("") is not None  # another folder is at hand now
        shutil.rmtree(tmp_path / "in" / "d")
        (tmp_path / "in" / "d").symlink_to("../out")
        with pytest.raises(Unavailable):
            b"".join(tree.read(entry))
        assert paths(tree) == ["", "d"]


@pytest.mark.parametrize(
    ("ignored", "left"),
    [
        ("", ["", "a.c", "a.h", "d", "d/b.c", "d/e", "d/e/c.h"]),
        ("d", ["", "a.c", "a.h"]),
        ("**/*.c", ["", "a.h", "d", "d/e", "d/e/c.h"]),
        ("d\n!d/e/c.h", ["", "a.c", "a.h", "d", "d/e", "d/e/c.h"]),
        ("*\n!a.c", ["", "a.c"]),
    ],
)
def test_ignored_files_are_not_in_the_tree(tmp_path: Path, ignored: str, left: list[str]) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    for name in ("a.c", "a.h", "d/b.c", "d/e/c.h"):
        (tmp_path / name).touch()
    with FolderTree(str(tmp_path), Ignore(ignored)) as tree:
        assert paths(tree) == left
        everything = ("", "a.c", "a.h", "d", "d/b.c", "d/e", "d/e/c.h")
        assert [path for path in everything if tree.find(path) is not None] == left


def test_document_is_a_tree_of_one_file() -> None:
    with file_tree("name", b"text", 0o600, 5 * 10**9) as tree:
        assert paths(tree) == ["", "name"]
        entry = tree.find("name")
        assert entry is not None
        assert (entry.mode, entry.mtime, entry.size) == (0o600, 5 * 10**9, 4)
        assert tree.text(entry) == "text"
        assert tree.find("other") is None
