from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Invalid
from ligan.layers.beneath import NoSuchPath, PathStatus, open_folder, open_root, path_status, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root beside a secret, with links of all kinds."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("secret")
    tree = tmp_path / "root"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "file").write_text("content")
    links = {
        "absolute": "/a/b",
        "relative": "a/b",
        "out": "../secret",
        "far": f"{tmp_path}/secret",
        "chain": "absolute/file",
        "circle": "round",
        "round": "circle",
        "nowhere": "a/none/such",
        "a/up": "../../../a/./b//",
        "self": ".",
    }
    for name, target in links.items():
        (tree / name).symlink_to(target)
    return tree


@pytest.fixture
def root(tree: Path) -> Iterator[int]:
    root = open_root(str(tree))
    yield root
    os.close(root)


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("/", ""),
        ("", ""),
        ("../..", ""),
        ("a/b/file", "a/b/file"),
        ("absolute/file", "a/b/file"),
        ("relative", "a/b"),
        ("a/up/file", "a/b/file"),
        ("chain", "a/b/file"),
        ("self/self/a", "a"),
        ("out", "secret"),
        ("out/file", "secret/file"),
        ("absolute/../..", ""),
        ("nowhere/further", "a/none/such/further"),
        ("a/b/file/below", "a/b/file/below"),
        ("none/../a", "a"),
    ],
)
def test_path_is_resolved_as_inside_a_root_of_its_own(root: int, path: str, resolved: str) -> None:
    assert resolve(root, path) == resolved


def test_link_to_a_path_of_the_host_stays_inside(root: int, tree: Path) -> None:
    assert resolve(root, "far/file") == f"{tree.parent}/secret/file"[1:]


def test_circle_of_links_is_an_error(root: int) -> None:
    with pytest.raises(OSError, match="Too many levels"):
        resolve(root, "circle")


@pytest.mark.parametrize("path", ["absolute", "absolute/x", "out", "a/up", "a/b/file", "none"])
def test_only_folders_are_opened_and_no_links(root: int, path: str) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match=r"Not a directory|Too many levels|No such file"):
        open_folder(root, path)
    assert os.listdir("/proc/self/fd") == before


# Name and target as in the X-Docker-Container-Path-Stat of dockerd 20.10.24.
@pytest.mark.parametrize(
    ("path", "name", "target"),
    [
        ("/", "/", ""),
        ("/.", ".", ""),
        ("a", "a", ""),
        ("/a/", "a", ""),
        ("/a/.", ".", ""),
        ("/a/./", ".", ""),
        ("/relative", "relative", "/a/b"),
        ("/relative/", "relative", ""),
        ("/relative/.", ".", ""),
        ("/relative/../a", "a", ""),
        ("/chain", "chain", "/a/b/file"),
        ("/nowhere", "nowhere", "/a/none/such"),
        ("/out", "out", "/secret"),
        ("/self/self/absolute/file", "file", ""),
    ],
)
def test_status_has_name_and_target(tree: Path, path: str, name: str, target: str) -> None:
    status = path_status(str(tree), path)
    assert (status.name, status.link_target) == (name, target)


def test_status_is_that_of_the_file(tree: Path) -> None:
    file = tree / "a" / "b" / "file"
    file.chmod(0o640)
    os.utime(file, ns=(0, 1_500_000_000_123_456_789))
    assert path_status(str(tree), "chain/../absolute/file") == PathStatus(
        "file", 7, 0o640, 1_500_000_000_123_456_789, ""
    )


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (stat.S_IFDIR | 0o755, 1 << 31 | 0o755),
        (stat.S_IFDIR | 0o1777, 1 << 31 | 1 << 20 | 0o777),
        (stat.S_IFREG | 0o6755, 1 << 23 | 1 << 22 | 0o755),
        (stat.S_IFIFO | 0o600, 1 << 25 | 0o600),
        (stat.S_IFSOCK | 0o755, 1 << 24 | 0o755),
        (stat.S_IFLNK | 0o777, 1 << 27 | 0o777),
    ],
)
def test_mode_is_gos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, expected: int) -> None:
    monkeypatch.chdir(tmp_path)
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFDIR:
        os.mkdir("it")
    elif kind == stat.S_IFLNK:
        os.symlink("target", "it")
    elif kind == stat.S_IFSOCK:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("it")
    else:
        os.mknod("it", kind | 0o600)
    if kind != stat.S_IFLNK:
        os.chmod("it", stat.S_IMODE(mode))
    assert path_status(str(tmp_path), "it").mode == expected


@pytest.mark.root
def test_modes_of_devices_are_gos(tmp_path: Path) -> None:
    os.mknod(tmp_path / "null", 0o20600, os.makedev(1, 3))
    os.mknod(tmp_path / "disk", 0o60600, os.makedev(7, 0))
    assert path_status(str(tmp_path), "null").mode == 1 << 26 | 1 << 21 | 0o600
    assert path_status(str(tmp_path), "disk").mode == 1 << 26 | 0o600


@pytest.mark.parametrize(
    "path", ["/none", "/none/below", "/nowhere/", "/nowhere/x", "/out/file", "/a/none/."]
)
def test_what_is_not_there_is_not_found(tree: Path, path: str) -> None:
    with pytest.raises(NoSuchPath, match=f"^Could not find the file {path}$"):
        path_status(str(tree), path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/a/b/file/x", "lstat /a/b/file/x: not a directory"),
        ("/chain/", "lstat /a/b/file/: not a directory"),
        ("/a/b/file/.", "lstat /a/b/file/.: not a directory"),
        ("/absolute/file/x", "lstat /a/b/file/x: not a directory"),
        ("/circle/x", "lstat /circle/x: too many levels of symbolic links"),
        ("/" + "n" * 300, f"lstat /{'n' * 300}: file name too long"),
        ("/a\0b", "lstat /a\0b: invalid argument"),
    ],
)
def test_path_that_leads_nowhere_is_refused(tree: Path, path: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        path_status(str(tree), path)
    assert str(refused.value) == message
