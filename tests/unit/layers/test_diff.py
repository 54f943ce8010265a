from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Unavailable, Unsupported
from ligan.layers.diff import (
    changes_size,
    overlay_changes,
    overlay_layer,
    tree_changes,
    tree_layer,
    upper_size,
)
from ligan.layers.scan import scan_layer
from ligan.layers.stack import FolderNode, Stack, Tree
from ligan.layers.tar import members
from tests.support.overlays import apply_layer, facts, mounted
from tests.support.tars import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.overlays import Overlay

EMPTY_LAYER = bytes(1024)

AN_HOUR_AGO = 1_600_000_000_500_000_000


def fill(base: Path) -> None:
    """Make the tree that every test starts from."""
    (base / "etc").mkdir(parents=True)
    (base / "etc" / "passwd").write_text("root")
    (base / "etc" / "group").write_text("root")
    (base / "lib" / "deep" / "down").mkdir(parents=True)
    (base / "lib" / "deep" / "down" / "file").write_text("file")
    (base / "lib" / "other").write_text("other")
    (base / "lib" / "link").symlink_to("other")
    for folder, folders, files in os.walk(base, topdown=False):
        for name in [*folders, *files]:
            os.utime(os.path.join(folder, name), ns=(AN_HOUR_AGO, AN_HOUR_AGO), follow_symlinks=False)


def lines(changes: dict[str, str]) -> list[str]:
    return [f"{kind} {path}" for path, kind in changes.items()]


def touch(path: Path, time: int) -> None:
    os.utime(path, ns=(time, time), follow_symlinks=False)


def _replace_by_folder(root: Path) -> None:
    (root / "etc" / "passwd").unlink()
    (root / "etc" / "passwd").mkdir()
    (root / "etc" / "passwd" / "x").touch()


def _replace_by_file(root: Path) -> None:
    shutil.rmtree(root / "lib" / "deep")
    (root / "lib" / "deep").write_text("file")


def _empty_folder_anew(root: Path) -> None:
    shutil.rmtree(root / "lib")
    (root / "lib").mkdir()
    (root / "lib" / "deep").mkdir()
    (root / "lib" / "new").touch()


def _make_and_remove(root: Path) -> None:
    (root / "etc" / "new").touch()
    (root / "etc" / "new").unlink()
    (root / "made").mkdir()
    (root / "made").rmdir()


def _replace_by_socket(root: Path) -> None:
    shutil.rmtree(root / "lib" / "deep")
    here = os.open(".", os.O_RDONLY)
    os.chdir(root / "lib")  # the path of a socket has room for 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("deep")
    finally:
        os.fchdir(here)
        os.close(here)


def _make_names(root: Path) -> None:
    for name in ("a", "a b", "a/b", "a.b", "é", "\udcff"):
        (root / name).mkdir()


def _open_for_writing(root: Path) -> None:
    with open(root / "etc" / "passwd", "r+b"):
        pass


# Each as a real dockerd 20.10.24 with overlay2 shows it (tests/differential/test_same_changes.py asks one).
OPERATIONS: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "nothing": (lambda root: None, []),
    "new file": (lambda root: (root / "new").touch(), ["A /new"]),
    "new file below": (lambda root: (root / "etc" / "a").touch(), ["C /etc", "A /etc/a"]),
    "new folders": (lambda root: (root / "a/b/c").mkdir(parents=True), ["A /a", "A /a/b", "A /a/b/c"]),
    "edit": (lambda root: (root / "etc/passwd").write_text("more"), ["C /etc", "C /etc/passwd"]),
    "chmod": (lambda root: (root / "lib/other").chmod(0o600), ["C /lib", "C /lib/other"]),
    "chmod of a folder": (lambda root: (root / "lib/deep").chmod(0o700), ["C /lib", "C /lib/deep"]),
    "chown": (lambda root: os.chown(root / "lib/other", 7, 7), ["C /lib", "C /lib/other"]),
    "touch": (lambda root: touch(root / "etc/passwd", AN_HOUR_AGO + 1), ["C /etc", "C /etc/passwd"]),
    "touch to the whole second": (lambda root: touch(root / "etc/passwd", AN_HOUR_AGO - 500_000_000), []),
    "touch of a folder": (lambda root: touch(root / "etc", 0), []),
    "touch of a link": (lambda root: touch(root / "lib/link", 0), ["C /lib", "C /lib/link"]),
    "remove": (lambda root: (root / "etc/passwd").unlink(), ["C /etc", "D /etc/passwd"]),
    "remove a folder": (lambda root: shutil.rmtree(root / "lib/deep"), ["C /lib", "D /lib/deep"]),
    "remove at the top": (lambda root: shutil.rmtree(root / "lib"), ["D /lib"]),
    "rename": (
        lambda root: (root / "etc/passwd").rename(root / "lib/deep/p"),
        ["C /etc", "D /etc/passwd", "C /lib", "C /lib/deep", "A /lib/deep/p"],
    ),
    "file to folder": (_replace_by_folder, ["C /etc", "C /etc/passwd", "A /etc/passwd/x"]),
    "folder to file": (_replace_by_file, ["C /lib", "C /lib/deep"]),
    "folder to socket": (_replace_by_socket, ["C /lib", "C /lib/deep", "D /lib/deep/down"]),
    "folder anew": (
        _empty_folder_anew,
        ["C /lib", "C /lib/deep", "D /lib/deep/down", "D /lib/link", "A /lib/new", "D /lib/other"],
    ),
    "made and removed": (_make_and_remove, []),
    "opened for writing": (_open_for_writing, []),
    "hard link": (
        lambda root: os.link(root / "etc/passwd", root / "etc/p"),
        ["C /etc", "A /etc/p"],
    ),
    "device": (lambda root: os.mknod(root / "null", 0o20666, os.makedev(1, 3)), ["A /null"]),
    "pipe": (lambda root: os.mkfifo(root / "etc" / "pipe"), ["C /etc", "A /etc/pipe"]),
    "attribute": (lambda root: os.setxattr(root / "etc/passwd", "user.a", b"1"), []),
    "capability": (
        lambda root: os.setxattr(
            root / "etc/passwd", "security.capability", bytes.fromhex("01000002" + "00200000" + "00" * 12)
        ),
        ["C /etc", "C /etc/passwd"],
    ),
    "names": (
        _make_names,
        ["A /a", "A /a/b", "A /a b", "A /a.b", "A /é", "A /\udcff"],
    ),
}


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Overlay]:
    fill(tmp_path / "lower")
    with mounted(str(tmp_path)) as overlay:
        yield overlay


@pytest.mark.root
@pytest.mark.parametrize("name", OPERATIONS)
def test_overlay_shows_what_changed(overlay: Overlay, tmp_path: Path, name: str) -> None:
    operate, expected = OPERATIONS[name]
    operate(tmp_path / "merged")
    assert lines(overlay_changes(overlay.upper, Tree(overlay.lower))) == expected
    assert lines(tree_changes(overlay.merged, Tree(overlay.lower))) == expected


@pytest.mark.root
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "folder to socket"])
def test_layer_of_an_overlay_brings_the_base_there(overlay: Overlay, tmp_path: Path, name: str) -> None:
    OPERATIONS[name][0](tmp_path / "merged")
    shutil.copytree(overlay.lower, tmp_path / "copy", symlinks=True)
    shutil.copystat(overlay.lower, tmp_path / "copy")
    apply_layer(overlay_layer(overlay.upper), str(tmp_path / "copy"))
    assert facts(str(tmp_path / "copy")) == facts(overlay.merged)


@pytest.mark.parametrize(
    "name", [n for n in OPERATIONS if n not in ("chown", "device", "capability", "folder to socket")]
)
def test_trees_are_compared_and_changes_applied(tmp_path: Path, name: str) -> None:
    operate, expected = OPERATIONS[name]
    fill(tmp_path / "old")
    shutil.copytree(tmp_path / "old", tmp_path / "new", symlinks=True)
    operate(tmp_path / "new")
    changes = tree_changes(str(tmp_path / "new"), Tree(str(tmp_path / "old")))
    assert lines(changes) == expected
    apply_layer(tree_layer(str(tmp_path / "new"), changes), str(tmp_path / "old"))
    assert tree_changes(str(tmp_path / "new"), Tree(str(tmp_path / "old"))) == {}


def test_no_change_is_the_empty_layer(tmp_path: Path) -> None:
    assert b"".join(overlay_layer(str(tmp_path))) == EMPTY_LAYER
    assert b"".join(tree_layer(str(tmp_path), {})) == EMPTY_LAYER


@pytest.mark.root
def test_whiteouts_bear_what_docker_gives_them(overlay: Overlay, tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    (merged / "etc" / "group").unlink()
    (merged / "etc" / "passwd").unlink()
    with opened(b"".join(overlay_layer(overlay.upper))) as fd:
        folder, first, second = members(fd)
    assert (folder.name, first.name, second.name) == ("etc/", "etc/.wh.group", "etc/.wh.passwd")
    assert (first.type, first.mode, first.size, first.linkname) == ("0", 0o600, 0, "")
    # One inode to the kernel; Docker leaves the first one's name in the headers of the others.
    assert second.linkname == "etc/group"


@pytest.mark.root
def test_opaque_folder_has_its_marker_first(overlay: Overlay, tmp_path: Path) -> None:
    _empty_folder_anew(tmp_path / "merged")
    with opened(b"".join(overlay_layer(overlay.upper))) as fd:
        found = list(members(fd))
    assert [member.name for member in found] == ["lib/", "lib/.wh..wh..opq", "lib/deep/", "lib/new"]
    marker = found[1]
    assert (marker.type, marker.mode, marker.mtime, marker.size) == ("0", 0o755, 0, 0)


def test_whiteouts_of_trees_come_by_path_and_bear_no_time(tmp_path: Path) -> None:
    for name in ("old/a", "old/d", "old/d/x", "old/d e", "new/d", "new/d e"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "new" / "d" / "y").touch()
    (tmp_path / "new" / "d e" / "y").touch()
    new = str(tmp_path / "new")
    changes = tree_changes(new, Tree(str(tmp_path / "old")))
    layer = b"".join(tree_layer(new, changes))
    with opened(layer) as fd:
        found = list(members(fd))
    assert [member.name for member in found] == [".wh.a", "d/", "d e/", "d e/y", "d/.wh.x", "d/y"]
    assert (found[0].mtime, found[0].mode) == (0, 0)
    assert b"".join(tree_layer(new, dict(reversed(changes.items())))) == layer


@pytest.mark.root
@pytest.mark.parametrize("attribute", ["trusted.overlay.redirect", "trusted.overlay.metacopy"])
def test_upper_directory_that_is_not_the_whole_layer_is_refused(tmp_path: Path, attribute: str) -> None:
    for name in ("upper", "lower"):
        (tmp_path / name / "folder" / "below").mkdir(parents=True)
    upper, lower = str(tmp_path / "upper"), str(tmp_path / "lower")
    (tmp_path / "upper" / "folder" / "file").touch()
    place = "folder/below" if attribute.endswith("redirect") else "folder/file"
    os.setxattr(tmp_path / "upper" / place, attribute, b"/x")
    with pytest.raises(Unsupported, match=f"{place}/? has the attribute {attribute}"):
        list(overlay_layer(upper))
    if attribute.endswith("redirect"):
        with pytest.raises(Unsupported, match=attribute):
            overlay_changes(upper, Tree(lower))


@pytest.mark.root
def test_real_redirect_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "lower")
    with mounted(str(tmp_path), "redirect_dir=on,metacopy=off,index=off") as overlay:
        (tmp_path / "merged" / "lib").rename(tmp_path / "merged" / "moved")
        with pytest.raises(Unsupported, match=r"redirect_dir=off|redirect"):
            overlay_changes(overlay.upper, Tree(overlay.lower))
        with pytest.raises(Unsupported):
            list(overlay_layer(overlay.upper))


@pytest.mark.root
def test_whiteout_of_nothing_is_no_change(tmp_path: Path) -> None:
    for name in ("upper", "lower"):
        (tmp_path / name).mkdir()
    os.mknod(tmp_path / "upper" / "gone", 0o20000, os.makedev(0, 0))
    os.mknod(tmp_path / "upper" / "null", 0o20666, os.makedev(1, 3))
    assert lines(overlay_changes(str(tmp_path / "upper"), Tree(str(tmp_path / "lower")))) == ["A /null"]


@pytest.mark.root
def test_what_a_layer_hides_without_need_is_new_where_a_container_makes_it(tmp_path: Path) -> None:
    for name in ("upper", "lower"):
        (tmp_path / name / "folder").mkdir(parents=True)
    os.mknod(tmp_path / "lower" / "folder" / "file", 0o20000, os.makedev(0, 0))
    (tmp_path / "upper" / "folder" / "file").touch()
    below = Stack([FolderNode(str(tmp_path / "lower"))])
    assert lines(overlay_changes(str(tmp_path / "upper"), below)) == ["C /folder", "A /folder/file"]


@pytest.mark.root
def test_sizes_are_those_of_docker(overlay: Overlay, tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    (merged / "etc" / "passwd").write_bytes(b"x" * 1000)
    os.link(merged / "etc" / "passwd", merged / "again")
    (merged / "link").symlink_to("somewhere")
    (merged / "lib" / "other").unlink()
    assert upper_size(overlay.upper) == 1009
    assert changes_size(overlay.merged, overlay_changes(overlay.upper, Tree(overlay.lower))) == 1009
    with opened(b"".join(overlay_layer(overlay.upper))) as fd:
        assert scan_layer(fd).diff_size == 1009


def test_unreadable_tree_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> Iterator[os.DirEntry[str]]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "scandir", fail)
    for look in (
        lambda: tree_changes(str(tmp_path), Tree(str(tmp_path))),
        lambda: upper_size(str(tmp_path)),
        lambda: list(overlay_layer(str(tmp_path))),
    ):
        with pytest.raises(Unavailable, match=f"^cannot read {tmp_path}: input/output error"):
            look()


def test_what_goes_after_the_comparison_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "new" / "a").mkdir(parents=True)
    (tmp_path / "new" / "a" / "x").touch()
    (tmp_path / "new" / "b").write_text("b")
    (tmp_path / "old").mkdir()
    new = str(tmp_path / "new")
    changes = tree_changes(new, Tree(str(tmp_path / "old")))
    shutil.rmtree(tmp_path / "new" / "a")
    with opened(b"".join(tree_layer(new, changes))) as fd:
        assert [member.name for member in members(fd)] == ["b"]
    assert changes_size(new, changes) == 1
