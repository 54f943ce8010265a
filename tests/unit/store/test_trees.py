from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ligan.store.trees import remove_tree, tree_size

if TYPE_CHECKING:
    from pathlib import Path

DEEPER_THAN_FILES_MAY_BE_OPEN = 3000


@pytest.fixture
def deep(tmp_path: Path) -> str:
    """A folder so deep that no path leads to its end, with a file of three bytes there."""
    top = tmp_path / "deep"
    top.mkdir()
    folder = os.open(top, os.O_RDONLY)
    for _ in range(DEEPER_THAN_FILES_MAY_BE_OPEN):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    with open(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=folder), "wb") as file:
        file.write(b"abc")
    os.close(folder)
    return str(top)


def test_depth_is_no_matter(deep: str) -> None:
    assert tree_size(deep) == 3
    remove_tree(deep)
    assert not os.path.exists(deep)


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"stays")
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "link").symlink_to(tmp_path / "outside")
    (tree / "link").symlink_to("../outside")
    assert tree_size(str(tree)) == len(str(tmp_path / "outside")) + len("../outside")
    remove_tree(str(tree))
    assert not tree.exists()
    assert (tmp_path / "outside" / "file").read_bytes() == b"stays"


def test_what_is_gone_is_gone(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "nothing"))


def test_a_folder_that_may_not_be_written_to_goes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a" / "b" / "c").mkdir(parents=True)
    (tree / "a" / "b" / "file").touch()
    for folder in (tree / "a" / "b", tree / "a", tree):
        folder.chmod(0o555)
    remove_tree(str(tree))
    assert not tree.exists()


def test_each_file_counts_once_and_folders_do_not(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"12345")
    os.link(tmp_path / "a" / "one", tmp_path / "two")
    os.mkfifo(tmp_path / "pipe")
    assert tree_size(str(tmp_path)) == 5


def test_only_what_changed_later_counts(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"12345")
    since = os.stat(tmp_path / "old").st_ctime_ns
    (tmp_path / "old").chmod(0o600)
    changed = os.stat(tmp_path / "old").st_ctime_ns
    assert tree_size(str(tmp_path), changed_after=since) == (5 if changed > since else 0)
    assert tree_size(str(tmp_path), changed_after=changed) == 0


def test_several_processes_remove_the_same_tree(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for number in range(200):
        (tree / str(number) / "sub" / "sub").mkdir(parents=True)
        (tree / str(number) / "sub" / "file").touch()
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            try:
                remove_tree(str(tree))
            except BaseException:  # noqa: BLE001 - the rest of the program is the parent's
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert not tree.exists()
