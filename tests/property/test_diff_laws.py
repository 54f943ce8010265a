"""Laws of changes and of the layers made of them, on overlays that the kernel keeps."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ligan.layers.diff import (
    changes_size,
    overlay_changes,
    overlay_layer,
    tree_changes,
    tree_layer,
    upper_size,
)
from ligan.layers.scan import scan_layer
from ligan.layers.stack import Tree
from ligan.layers.tree_tar import export_tar
from tests.support.overlays import apply_layer, facts, mounted
from tests.support.tars import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    Operation = tuple[str, str, str, int]

NO_DRIVER = 60  # a device of this number is kept for experiments: nothing can be behind it
names = st.sampled_from(["a", "b", "a b", "a.b", "é"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
KINDS = (
    "write",
    "folder",
    "link",
    "symlink",
    "pipe",
    "device",
    "remove",
    "rename",
    "chmod",
    "chown",
    "touch",
)
operations = st.lists(
    st.tuples(st.sampled_from(KINDS), paths, paths, st.integers(0, 1 << 31)),
    max_size=12,
)


def operate(root: str, script: Sequence[Operation]) -> None:
    """Carry out what of the script is possible."""
    for operation in script:
        try:
            _carry_out(root, *operation)
        except OSError:
            continue


def _carry_out(root: str, kind: str, path: str, other: str, number: int) -> None:
    here, there = os.path.join(root, path), os.path.join(root, other)
    if kind == "write":
        # Never into a pipe, where it would wait, or a device.
        if not os.path.lexists(here) or stat.S_ISREG(os.lstat(here).st_mode):
            with open(here, "ab") as file:
                file.write(b"x" * (number % 1500))
    elif kind == "folder":
        os.makedirs(here)
    elif kind == "link":
        os.link(here, there, follow_symlinks=False)
    elif kind == "symlink":
        os.symlink(other, here)
    elif kind == "pipe":
        os.mkfifo(here)
    elif kind == "device":
        os.mknod(here, 0o20600, os.makedev(NO_DRIVER, number % 300))
    elif kind == "remove":
        if os.path.isdir(here) and not os.path.islink(here):
            shutil.rmtree(here)
        else:
            os.unlink(here)
    elif kind == "rename":
        os.rename(here, there)
    elif kind == "chmod":
        os.chmod(here, 0o700 | number & 0o7077)
    elif kind == "chown":
        os.chown(here, number % 3, number % 5, follow_symlinks=False)
    else:
        os.utime(here, ns=(number, number * 10**9 + number % 2), follow_symlinks=False)


@pytest.mark.root
@settings(max_examples=60)
@given(operations, operations)
def test_layer_and_base_make_the_tree(base: Sequence[Operation], script: Sequence[Operation]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/lower")
        operate(f"{folder}/lower", base)
        copies = [f"{folder}/copy-{number}" for number in range(3)]
        for copy in copies[:2]:
            apply_layer(export_tar(f"{folder}/lower"), _made(copy))
            assert facts(copy) == facts(f"{folder}/lower")
        with mounted(folder) as overlay:
            operate(overlay.merged, script)
            changes = overlay_changes(overlay.upper, Tree(overlay.lower))
            layer = b"".join(overlay_layer(overlay.upper))
            assert tree_changes(overlay.merged, Tree(overlay.lower)) == changes
            assert b"".join(overlay_layer(overlay.upper)) == layer

            expected = facts(overlay.merged)
            apply_layer([layer], copies[0])
            assert facts(copies[0]) == expected
            apply_layer(tree_layer(overlay.merged, changes), copies[1])
            # What was copied up and not changed is no change: hard links to it are no longer that.
            assert [fact[:5] for fact in facts(copies[1]).values()] == [
                fact[:5] for fact in expected.values()
            ]
            apply_layer(export_tar(overlay.merged), _made(copies[2]))
            assert facts(copies[2]) == expected

            with opened(layer) as fd:
                assert scan_layer(fd).diff_size == upper_size(overlay.upper)
            assert changes_size(overlay.merged, changes) <= upper_size(overlay.upper)


def _made(folder: str) -> str:
    os.mkdir(folder)
    return folder
