from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Corrupt, Invalid, LiganError
from ligan.layers.unpack import CannotOverwrite, apply_layer, unpack_archive, unpack_layer
from ligan.store.trees import remove_tree
from tests.support import tars
from tests.support.trees import LayerTar, check_same, described

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

SECRET = b"of the host"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[str]:
    """An empty folder, beside a file that nothing may change."""
    (tmp_path / "host").write_bytes(SECRET)
    inside = tmp_path / "inside"
    inside.mkdir()
    yield str(inside)
    remove_tree(str(inside))  # pytest could not, of one so deep


def unpack(content: bytes, folder: str) -> None:
    with tars.opened(content) as tar:
        unpack_layer(tar, folder)


def apply(content: bytes, folder: str) -> None:
    with tars.opened(content) as tar:
        apply_layer(tar, folder)


def copy(content: bytes, folder: str, path: str = "", **options: bool | tuple[int, int]) -> None:
    with tars.opened(content) as tar:
        unpack_archive(tar, folder, path, **options)  # type: ignore[arg-type]  # each option has its own type


def read(folder: str, path: str) -> bytes:
    with open(os.path.join(folder, path), "rb") as file:
        return file.read()


HOSTILE = {
    "a name that leads up": tars.entry("../host", data=b"x"),
    "an absolute name": tars.entry("/../../host", data=b"x"),
    "a link to the folder above": tars.symlink("up", "..") + tars.entry("up/host", data=b"x"),
    "a link to a link": tars.symlink("a", "b") + tars.symlink("b", "../..") + tars.entry("a/host", data=b"x"),
    "an absolute link": tars.symlink("etc", "{outside}") + tars.entry("etc/host", data=b"x"),
    "a link where a file goes": tars.symlink("file", "../host") + tars.entry("file", data=b"x"),
    "a folder through a link": tars.symlink("d", "..") + tars.folder("d/made") + tars.folder("d"),
    "a hard link up": tars.link("mine", "../host") + tars.entry("mine", data=b"x"),
    "a hard link through a link": tars.symlink("up", "..") + tars.link("mine", "up/host"),
    "a hard link to a link out": tars.symlink("out", "../host") + tars.link("mine", "out"),
    "a whiteout through a link": tars.symlink("up", "..") + tars.entry("up/.wh.host"),
    "an opaque mark through a link": tars.symlink("up", "..") + tars.entry("up/.wh..wh..opq"),
    "a whiteout of nothing": tars.entry(".wh."),
    "a whiteout of the folder above": tars.entry(".wh..."),
    "a folder's time through a link": tars.folder("d") + tars.symlink("d", ".."),
    "links in a circle": tars.symlink("a", "b") + tars.symlink("b", "a") + tars.entry("a/x", data=b"x"),
    "a file as a folder": tars.entry("a", data=b"x") + tars.entry("a/b", data=b"x"),
    "a name too long": tars.extended({"path": "n" * 256}) + tars.entry("x", data=b"x"),
    "a very deep name": tars.extended({"path": "d/" * 2000 + "x"}) + tars.entry("x", data=b"x"),
    "a name that is not text": tars.entry("a\udcff\udcfe", data=b"x"),
    "a proc link": tars.symlink("p", "/proc/self/root") + tars.entry("p/{outside}/host", data=b"x"),
}


@pytest.mark.parametrize("work", [unpack, apply, copy])
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_outside_is_touched(name: str, work: object, folder: str) -> None:
    outside = os.path.dirname(folder)
    before = os.stat(os.path.join(outside, "host"))
    content = HOSTILE[name].replace(b"{outside}", outside.encode()[:9].ljust(9, b"/")) + tars.END
    os.utime(outside, ns=(1, 1))
    try:
        work(content, folder)  # type: ignore[operator]  # one of three functions
    except LiganError as error:
        assert isinstance(error, Corrupt | Invalid)  # noqa: PT017 - to be unpacked inside is as good
    assert sorted(os.listdir(outside)) == ["host", "inside"]
    assert read(outside, "host") == SECRET
    after = os.stat(os.path.join(outside, "host"))
    assert (before.st_mode, before.st_nlink, before.st_mtime_ns) == (
        after.st_mode,
        after.st_nlink,
        after.st_mtime_ns,
    )
    assert os.stat(outside).st_mtime_ns == 1


def test_links_are_followed_inside(folder: str) -> None:
    content = tars.folder("usr") + tars.folder("usr/lib") + tars.symlink("lib", "/usr/lib")
    content += (
        tars.symlink("up", "../../usr") + tars.entry("lib/a", data=b"a") + tars.entry("up/lib/b", data=b"b")
    )
    unpack(content + tars.END, folder)
    assert sorted(os.listdir(os.path.join(folder, "usr/lib"))) == ["a", "b"]


def test_folders_that_the_tar_does_not_name_are_roots(folder: str) -> None:
    before = os.umask(0o077)
    try:
        unpack(tars.entry("a/b/c", data=b"c") + tars.END, folder)
    finally:
        os.umask(before)
    status = os.stat(os.path.join(folder, "a/b"))
    assert status.st_mtime_ns == 0  # the time of the entry that they were made for
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o755, 0, 0)


def test_a_layer_of_its_own_has_the_marks_of_overlay(folder: str) -> None:
    unpack(LayerTar().folder("a").add("a/.wh.b").add("c/.wh..wh..opq").done(), folder)
    hidden = os.stat(os.path.join(folder, "a/b"))
    assert stat.S_ISCHR(hidden.st_mode)
    assert hidden.st_rdev == 0
    assert os.getxattr(os.path.join(folder, "c"), "trusted.overlay.opaque") == b"y"
    assert os.listdir(os.path.join(folder, "c")) == []


def test_marks_of_overlay_in_the_tar_are_left_out(folder: str) -> None:
    unpack(
        LayerTar().folder("a", attributes={"trusted.overlay.redirect": "/x", "user.a": "1"}).done(), folder
    )
    assert os.listxattr(os.path.join(folder, "a")) == ["user.a"]


def test_an_opaque_folder_hides_only_what_is_below(folder: str) -> None:
    apply(LayerTar().folder("a").add("a/old", b"1").folder("a/sub").add("a/sub/x", b"1").done(), folder)
    apply(LayerTar().folder("a").add("a/new", b"2").add("a/.wh..wh..opq").add("a/.wh.older").done(), folder)
    assert os.listdir(os.path.join(folder, "a")) == ["new"]


def test_a_later_member_takes_the_place_of_an_earlier_one(folder: str) -> None:
    tar = LayerTar().folder("a").add("a/b/c", b"c").add("a", b"file").folder("d")
    unpack(tar.add("e", b"e").folder("e").symlink("d", "/e").add("d/f", b"f").done(), folder)
    assert read(folder, "a") == b"file"
    assert read(folder, "e/f") == b"f"


def test_a_folder_that_is_gone_when_its_time_is_to_be_set_is_refused(folder: str) -> None:
    with pytest.raises(Corrupt, match="chtimes /a/b: not a directory"):
        unpack(LayerTar().folder("a").folder("a/b").add("a", b"file").done(), folder)


def test_times_owners_and_modes_are_exact(folder: str) -> None:
    tar = LayerTar().folder("d", 0o1755, owner=(5, 6)).add("d/s", b"s", mode=0o6755, owner=(7, 8))
    tar.symlink("d/l", "s").add("d/p", kind=tarfile.FIFOTYPE, mode=0o622)
    tar.add("d/n", kind=tarfile.CHRTYPE, mode=0o666, device=(300, 70_000))
    unpack(tar.done(), folder)
    found = described(folder)
    assert [found[path][0] for path in ("d", "d/s", "d/p", "d/n")] == [
        "0o41755",
        "0o106755",
        "0o10622",
        "0o20666",
    ]
    assert found["d"][1:4] == (5, 6, 1_600_000_001_123_456_789)
    assert found["d/s"][1:4] == (7, 8, 1_600_000_002_123_456_789)
    assert found["d/l"][3] == 1_600_000_003_123_456_789
    assert found["d/n"][4] == os.makedev(300, 70_000)


def test_what_was_before_1970_was_then(folder: str) -> None:
    content = tars.extended({"mtime": "-5.5"}) + tars.entry("old", data=b"x") + tars.END
    unpack(content, folder)
    assert os.stat(os.path.join(folder, "old")).st_mtime_ns == 0


def test_a_second_name_is_the_same_file_and_its_header_counts(folder: str) -> None:
    unpack(LayerTar().add("a", b"a").link("b", "/a", 0o600).done(), folder)
    one, other = (os.stat(os.path.join(folder, name)) for name in "ab")
    assert one.st_ino == other.st_ino
    assert stat.S_IMODE(one.st_mode) == 0o600


def test_a_file_that_ends_early_is_refused(folder: str) -> None:
    content = tars.entry("a", data=b"a" * 600)
    with pytest.raises(Corrupt, match="unexpected EOF"):
        unpack(content[:600], folder)


def test_a_type_that_docker_does_not_know_is_refused(folder: str) -> None:
    with pytest.raises(Corrupt, match="unhandled tar header type 86"):
        unpack(tars.entry("label", b"V") + tars.END, folder)


def test_a_copy_goes_into_the_folder_that_was_named(folder: str) -> None:
    apply(LayerTar().folder("etc", 0o700).add("etc/a", b"old").done(), folder)
    before = described(folder)["etc"]
    copy(LayerTar().folder(".", 0o777).add("a", b"new").add(".wh.a", b"is a file").done(), folder, "etc")
    assert read(folder, "etc/a") == b"new"
    assert read(folder, "etc/.wh.a") == b"is a file"
    assert described(folder)["etc"][:3] == before[:3]


@pytest.mark.parametrize("name", ["../a", "b/../../a", ".."])
def test_a_copy_that_leads_out_of_its_folder_is_refused(folder: str, name: str) -> None:
    apply(LayerTar().folder("etc").done(), folder)
    with pytest.raises(Invalid, match='is outside of "/etc"'):
        copy(tars.entry(name, data=b"x") + tars.END, folder, "etc")
    with pytest.raises(Invalid, match="invalid hardlink"):
        copy(tars.link("x", name) + tars.END, folder, "etc")
    assert os.listdir(os.path.join(folder, "etc")) == []


def test_a_copy_can_be_told_to_keep_folders_folders(folder: str) -> None:
    apply(LayerTar().folder("etc").folder("etc/d").add("etc/f", b"f").done(), folder)
    with pytest.raises(
        CannotOverwrite, match='cannot overwrite directory "/etc/d" with non-directory "/etc"'
    ):
        copy(LayerTar().add("d", b"").done(), folder, "etc", keep_kinds=True)
    with pytest.raises(
        CannotOverwrite, match='cannot overwrite non-directory "/etc/f" with directory "/etc"'
    ):
        copy(LayerTar().folder("f").done(), folder, "etc", keep_kinds=True)
    copy(LayerTar().folder("f").add("d", b"d").done(), folder, "etc")
    assert read(folder, "etc/d") == b"d"


def test_a_copy_can_be_given_away(folder: str) -> None:
    copy(
        LayerTar().folder("d").add("d/f", b"f").symlink("d/l", "f").add("e/x").done(), folder, owner=(12, 34)
    )
    assert {entry[1:3] for entry in described(folder).values()} == {(12, 34)}


def test_of_an_owner_32_bits_count(folder: str) -> None:
    big, same = tarfile.TarInfo("big"), tarfile.TarInfo("same")
    big.uid, big.gid = (1 << 40) + 7, (1 << 32) + 8
    same.uid, same.gid = -1, (1 << 32) - 1
    content = b"".join([entry.tobuf(tarfile.GNU_FORMAT) for entry in (big, same)]) + tars.END
    copy(content, folder)
    owners = {name: entry[1:3] for name, entry in described(folder).items()}
    assert (owners["big"], owners["same"]) == ((7, 8), (os.geteuid(), os.getegid()))


def test_a_path_longer_than_linux_takes_is_refused(folder: str) -> None:
    os.mkdir(os.path.join(folder, "d"))
    longest = "n/" * 2045 + "nn"  # with "/d/": 4095 bytes
    copy(tars.extended({"path": longest}) + tars.entry("x", data=b"x") + tars.END, folder, "d")
    with pytest.raises(Corrupt, match=r"nnn: file name too long$"):
        copy(tars.extended({"path": longest + "n"}) + tars.entry("x", data=b"x") + tars.END, folder, "d")


def test_two_ways_to_the_same_tree(tmp_path: Path) -> None:
    """A layer without whiteouts is the same, whether it is unpacked or applied."""
    content = (
        LayerTar().folder("a").add("a/b", b"b").link("a/c", "a/b").symlink("d", "a").add("d/e", b"e").done()
    )
    trees = []
    for name, work in (("one", unpack), ("other", apply)):
        (tmp_path / name).mkdir()
        work(content, str(tmp_path / name))
        trees.append(described(str(tmp_path / name)))
    check_same(*trees)


def test_the_oracle_is_python_as_well(tmp_path: Path) -> None:
    """tarfile, which has nothing in common with our reader, makes the same of a plain tar."""
    content = LayerTar().folder("a").add("a/b", b"b" * 5000, mode=0o640).symlink("l", "a/b").done()
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
    unpack(content, str(tmp_path / "mine"))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(tmp_path / "theirs", filter="fully_trusted")
    mine, theirs = (described(str(tmp_path / name)) for name in ("mine", "theirs"))
    assert {path: (*entry[:3], entry[4]) for path, entry in mine.items()} == {
        path: (*entry[:3], entry[4]) for path, entry in theirs.items()
    }
