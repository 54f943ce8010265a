from __future__ import annotations

import io
import os
import resource
import socket
import tarfile
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Unavailable
from ligan.layers.tar import XATTR, members
from ligan.layers.tar_write import header
from ligan.layers.tree_tar import CHUNK, export_tar, owners_inside, path_tar
from tests.support.tars import opened

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# The word of a file capability, revision 2, that permits net_raw; and the same in revision 3, for root 1000.
NET_RAW = bytes.fromhex("0100000200200000000000000000000000000000")
NET_RAW_IN_NAMESPACE = bytes.fromhex("0100000300200000000000000000000000000000e8030000")


def names(tar: Iterable[bytes]) -> list[str]:
    with opened(b"".join(tar)) as fd:
        return [member.name for member in members(fd)]


def read(tar: Iterable[bytes]) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar))) as archive:
        return {member.name: member for member in archive}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with one of each kind."""
    root = tmp_path / "root"
    (root / "etc" / "empty").mkdir(parents=True)
    (root / "etc" / "passwd").write_text(f"root:x:0:0::/root:/bin/sh\nme:x:{os.getuid()}:5::/:\n")
    (root / "etc" / "group").write_text(f"root:x:0:\nus:x:{os.getgid()}:me\n")
    (root / "etc" / "link").symlink_to("../usr/bin")
    (root / "usr" / "bin").mkdir(parents=True)
    (root / "usr" / "bin" / "tool").write_bytes(b"tool" * 1000)
    os.link(root / "usr" / "bin" / "tool", root / "usr" / "bin" / "again")
    os.mkfifo(root / "usr" / "pipe")
    return root


def test_members_come_as_gos_walk_goes(tmp_path: Path) -> None:
    for name in ("a", "a b", "a.b", "é", "\udcff", "￿"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "c").touch()
    assert names(export_tar(str(tmp_path))) == ["a/", "a/c", "a b/", "a.b/", "é/", "￿/", "\udcff/"]


def test_each_kind_is_written_as_it_is(root: Path) -> None:
    found = read(export_tar(str(root)))
    assert found["etc/empty"].isdir()
    assert found["etc/link"].linkname == "../usr/bin"
    assert found["usr/bin/again"].size == 4000
    assert (found["usr/bin/tool"].islnk(), found["usr/bin/tool"].linkname) == (True, "usr/bin/again")
    assert found["usr/pipe"].isfifo()
    assert found["usr/pipe"].mode == os.lstat(root / "usr/pipe").st_mode  # with the bits of its kind


def test_times_are_whole_seconds(tmp_path: Path) -> None:
    for name, time in (("late", 1_999_999_999), ("early", -1)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(time, time))
    found = read(export_tar(str(tmp_path)))
    assert (found["late"].mtime, found["early"].mtime) == (1, -1)


def test_same_tree_gives_same_bytes(root: Path) -> None:
    assert b"".join(export_tar(str(root))) == b"".join(export_tar(str(root)))


def test_empty_tree_is_an_empty_archive(tmp_path: Path) -> None:
    assert b"".join(export_tar(str(tmp_path))) == bytes(1024)


def test_socket_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has room for 107 bytes
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        (tmp_path / "file").touch()
        assert names(export_tar(str(tmp_path))) == ["file"]


def test_owners_bear_the_names_of_the_tree(root: Path) -> None:
    member = read(export_tar(str(root)))["usr"]
    assert (member.uname, member.gname) == (
        "root" if os.getuid() == 0 else "me",
        "us" if os.getgid() else "root",
    )


@pytest.mark.parametrize(
    ("passwd", "name"),
    [
        ("a:x:7:7\nb:x:7:7\n", "a"),
        ("#a:x\nnot a line\na:x:seven:7\nb:x:7:7", "b"),
        ("caf\udce9:x:7:7:\n", "caf\udce9"),
        ("a:x:" + "9" * 5000 + ":7\n", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_name_is_the_first_that_has_the_number(tmp_path: Path, passwd: str | None, name: str) -> None:
    (tmp_path / "etc").mkdir()
    if passwd is not None:
        (tmp_path / "etc" / "passwd").write_bytes(os.fsencode(passwd))
    root = os.open(tmp_path, os.O_RDONLY)
    try:
        assert owners_inside(root)(7, 7) == (name, "")
    finally:
        os.close(root)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link out"])
def test_what_is_no_file_names_nobody(tmp_path: Path, kind: str) -> None:
    (tmp_path / "passwd").write_text("stolen:x:7:7\n")
    etc = tmp_path / "root" / "etc"
    etc.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(etc / "passwd")
    elif kind == "folder":
        (etc / "passwd").mkdir()
    else:
        (etc / "passwd").symlink_to("../../passwd")
    root = os.open(tmp_path / "root", os.O_RDONLY)
    try:
        assert owners_inside(root)(7, 7) == ("", "")
    finally:
        os.close(root)


@pytest.mark.parametrize("size", [0, 1, 3 * CHUNK, 5 * CHUNK, 5 * CHUNK + 1])
def test_file_that_changes_its_size_has_that_of_its_header(tmp_path: Path, size: int) -> None:
    (tmp_path / "big").write_bytes(b"x" * 4 * CHUNK)
    (tmp_path / "small").write_bytes(b"after")
    tar = export_tar(str(tmp_path))
    start = next(tar)
    os.truncate(tmp_path / "big", size)
    with tarfile.open(fileobj=io.BytesIO(start + b"".join(tar))) as archive:
        content, after = (archive.extractfile(name) for name in ("big", "small"))
        assert content is not None
        assert after is not None
        data = content.read()
        assert len(data) == 4 * CHUNK
        assert data.rstrip(b"\0") == b"x" * max(CHUNK, min(size, 4 * CHUNK))
        assert after.read() == b"after"


def test_what_vanishes_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 2 * CHUNK)
    for name in ("b", "c", "d"):
        (tmp_path / name).mkdir()
    (tmp_path / "e").touch()
    tar = export_tar(str(tmp_path))
    start = next(tar)
    (tmp_path / "b").rmdir()
    (tmp_path / "c").rmdir()
    (tmp_path / "c").symlink_to("/etc")
    (tmp_path / "e").unlink()
    assert names([start, *tar]) == ["a", "d/"]


def test_abandoned_archive_leaves_nothing_open(root: Path) -> None:
    before = os.listdir("/proc/self/fd")
    (root / "aaa").write_bytes(b"x" * 2 * CHUNK)
    tar = export_tar(str(root))
    next(tar)
    tar.close()  # type: ignore[attr-defined]  # it is a generator
    assert os.listdir("/proc/self/fd") == before


def test_tree_may_be_deeper_than_files_may_be_open(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    depth = 300
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=folder)
        os.mkdir("e", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        found = names(export_tar(str(tmp_path)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(found) == 2 * depth
    assert found[depth - 1 : depth + 1] == ["d/" * depth, "d/" * (depth - 1) + "e/"]
    assert found[-1] == "e/"


def test_error_names_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"content")

    def fail(*_arguments: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(Unavailable, match=f"^cannot read {tmp_path}: input/output error$"):
        list(export_tar(str(tmp_path)))


@pytest.mark.root
@pytest.mark.parametrize("value", [NET_RAW, NET_RAW_IN_NAMESPACE])
def test_capabilities_are_kept_and_other_attributes_are_not(tmp_path: Path, value: bytes) -> None:
    for name in ("empty", "full"):
        (tmp_path / name).write_text(name if name == "full" else "")
        os.setxattr(tmp_path / name, "security.capability", value)
        os.setxattr(tmp_path / name, "user.note", b"gone")
    with opened(b"".join(export_tar(str(tmp_path)))) as fd:
        kept = [member.pax for member in members(fd)]
    assert kept == [{f"{XATTR}security.capability": NET_RAW}] * 2


@pytest.mark.root
def test_devices_keep_their_numbers(tmp_path: Path) -> None:
    os.mknod(tmp_path / "null", 0o20666, os.makedev(1, 3))
    os.mknod(tmp_path / "disk", 0o60600, os.makedev(259, 70000))
    found = read(export_tar(str(tmp_path)))
    assert (found["null"].ischr(), found["null"].devmajor, found["null"].devminor) == (True, 1, 3)
    assert (found["disk"].isblk(), found["disk"].devmajor, found["disk"].devminor) == (True, 259, 70000)


# As dockerd 20.10.24 answers GET /containers/{id}/archive.
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/usr", ["usr/", "usr/bin/", "usr/bin/again", "usr/bin/tool", "usr/pipe"]),
        ("usr/", ["usr/", "usr/bin/", "usr/bin/again", "usr/bin/tool", "usr/pipe"]),
        ("/usr/.", ["./", "./bin/", "./bin/again", "./bin/tool", "./pipe"]),
        ("/etc/link", ["link"]),
        ("/etc/link/", ["link/", "link/again", "link/tool"]),
        ("/etc/link/.", ["./", "./again", "./tool"]),
        ("/etc/link/tool", ["tool"]),
        ("/etc/link/../passwd", ["passwd"]),
        ("/../../usr/bin/../pipe", ["pipe"]),
    ],
)
def test_members_are_named_as_the_path_ends(root: Path, path: str, expected: list[str]) -> None:
    assert names(path_tar(str(root), path)) == expected


@pytest.mark.parametrize(("path", "stem"), [("/", "/"), ("/.", "./"), ("/etc/..", "/")])
def test_root_is_named_by_a_slash_or_a_dot(root: Path, path: str, stem: str) -> None:
    found = names(path_tar(str(root), path))
    assert found[:2] == [stem, f"{stem}etc/"]
    assert found[-1] == f"{stem}usr/pipe"


def test_header_of_a_file_is_written_as_dockers(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    status = os.stat(tmp_path / "file")
    start = b"".join(export_tar(str(tmp_path)))[:512]
    mtime = int(status.st_mtime)
    assert start == header(
        "file", 1, mtime, 0o100000 | status.st_mode & 0o777, "0", status.st_uid, status.st_gid
    )


@pytest.mark.root
def test_attributes_of_an_overlay_mean_nothing_in_a_whole_tree(root: Path) -> None:
    os.setxattr(root / "usr", "trusted.overlay.redirect", b"/x")
    os.setxattr(root / "usr", "trusted.overlay.opaque", b"y")
    os.mknod(root / "usr" / "whiteout", 0o20600, os.makedev(0, 0))
    found = names(export_tar(str(root)))
    assert "usr/whiteout" in found
    assert "usr/.wh..wh..opq" not in found
