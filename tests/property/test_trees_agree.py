"""Whatever a folder holds, a tar of it is the same tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ligan.build import sums
from ligan.build.folder_tree import FolderTree
from ligan.build.tar_tree import TarTree
from ligan.build.trees import ForbiddenPath
from tests.support.copies import file, folder, link

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from ligan.build.trees import Tree

NAMES = st.sampled_from(["a", "b", "\u00e9", "c.d", "x y", "-"])
NODES = st.one_of(
    st.builds(file, st.text("ab\n", max_size=5), mode=st.sampled_from([0o644, 0o4755, 0o600])),
    st.builds(folder, st.sampled_from([0o755, 0o700, 0o2750])),
    st.builds(link, st.sampled_from(["a", "../b", "/a/b", "none", ".", "c.d/a"])),
)


@settings(max_examples=60)
@given(st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map(tuple), NODES, max_size=8))
def test_tar_and_folder_of_the_same_files_are_the_same_tree(
    tmp_path_factory: pytest.TempPathFactory, nodes: dict[tuple[str, ...], dict[str, Any]]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for parts, fields in sorted(nodes.items()):
        path = root.joinpath(*parts)
        if any(parent.is_symlink() or parent.is_file() for parent in path.parents) or os.path.lexists(path):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if "linkname" in fields:
            path.symlink_to(fields["linkname"])
        elif "data" in fields:
            path.write_text(fields["data"])
            path.chmod(fields["mode"])
        else:
            path.mkdir()
            path.chmod(fields["mode"])
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    if files and not os.path.lexists(root / "hard"):
        (root / "hard").hardlink_to(files[0])
    packed = subprocess.run(["tar", "-C", root, "-cf", "-", "."], check=True, capture_output=True).stdout
    memory = os.memfd_create("tar")
    os.write(memory, packed)
    with TarTree(memory) as tar, FolderTree(str(root)) as plain:
        assert [_facts(tar, entry.path) for entry in tar.walk()] == [
            _facts(plain, entry.path) for entry in plain.walk()
        ]
        everything = [entry.path for entry in plain.walk()]
        assert [_found(tar, name) for name in everything] == [_found(plain, name) for name in everything]
        assert [entry.path for entry in tar.glob("*/?")] == [entry.path for entry in plain.glob("*/?")]
        for name in everything:
            if _found(plain, name).startswith("found"):
                digests = {sums.content_digest(tree, name, owners=True) for tree in (tar, plain)}
                assert len(digests) == 1
    shutil.rmtree(root)


def _facts(tree: Tree, path: str) -> Sequence[object]:
    entry = tree.entry(path)
    assert entry is not None
    content = b"".join(tree.read(entry)) if entry.kind == "0" else b""
    mode = entry.mode if path else 0  # a tar says nothing of the root that Docker would take
    owner = (entry.uid, entry.gid) if path else ()
    names = sorted(other.path for other in tree.walk() if entry.inode and other.inode == entry.inode)
    return entry.path, entry.kind, mode, owner, entry.size, entry.target, content, names


def _found(tree: Tree, path: str) -> str:
    try:
        entry = tree.find(path)
    except ForbiddenPath:
        return "forbidden"
    return "" if entry is None else f"found {entry.path}"
