"""Finding members of an archive as if it had been unpacked, and nothing outside of it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Corrupt, Invalid
from ligan.images import source
from ligan.images.importing import ImportRequest
from ligan.images.source import (
    Extent,
    ExtentReader,
    FolderSource,
    MissingMember,
    TarSource,
    open_archive,
    read_document,
)
from ligan.oci.documents import MAX_DOCUMENT_SIZE
from ligan.store.blobs import Lease
from tests.support import layouts, tars

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stores import Stock

PLAIN = tars.entry("a/b", data=b"content") + tars.END


def content(archive: bytes, name: str) -> bytes:
    with tars.opened(archive) as fd:
        return read_document(TarSource(fd, 0), name)


@pytest.mark.parametrize(
    "members",
    [
        tars.entry("a", data=b"x"),
        tars.entry("./a", data=b"x"),
        tars.entry("/a", data=b"x"),
        tars.entry("../../a", data=b"x"),
        tars.entry("b/../a", data=b"x"),
        tars.entry("a", data=b"old") + tars.entry("a", data=b"x"),
        tars.symlink("a", "b/c") + tars.entry("b/c", data=b"x"),
        tars.symlink("a", "/b/c") + tars.entry("b/c", data=b"x"),
        tars.symlink("a", "../../b/c") + tars.entry("b/c", data=b"x"),
        tars.symlink("a", "d/c") + tars.symlink("d", "b") + tars.entry("b/c", data=b"x"),
        tars.entry("b/c", data=b"x") + tars.link("a", "b/c"),
        tars.entry("b/c", data=b"x") + tars.link("a", "b/c") + tars.entry("b/c", data=b"later"),
        tars.symlink("b", ".") + tars.entry("b/a", data=b"x"),
        tars.symlink("a", "gone") + tars.entry("a", data=b"x"),
        tars.folder("a") + tars.entry("a", data=b"x"),
    ],
)
def test_member_is_found_where_unpacking_would_put_it(members: bytes) -> None:
    assert content(members + tars.END, "a") == b"x"


@pytest.mark.parametrize(
    "members",
    [
        b"",
        tars.folder("a"),
        tars.symlink("a", "gone"),
        tars.symlink("a", "/etc/passwd"),
        tars.symlink("a", "../../../../etc/passwd"),
        tars.symlink("a", "a"),
        tars.symlink("a", "b") + tars.symlink("b", "a"),
        tars.entry("a", b"6"),
        tars.entry("a", b"3"),
        tars.link("a", "/etc/passwd"),
        tars.entry("a/b", data=b"x"),
        tars.entry("a", data=b"x") + tars.entry("a", b"6"),
    ],
)
def test_what_is_no_file_of_the_archive_is_missing(members: bytes) -> None:
    with pytest.raises(MissingMember, match=r"^open .*: "):
        content(members + tars.END, "a")


def test_missing_member_in_dockers_words() -> None:
    with pytest.raises(MissingMember) as caught:
        content(PLAIN, "a/c")
    assert str(caught.value) == "open a/c: no such file or directory"


def test_name_that_is_not_utf_8_is_of_no_concern() -> None:
    assert content(tars.entry("\udcff", data=b"x") + PLAIN, "a/b") == b"content"


def test_sparse_member_reads_with_its_holes() -> None:
    records = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.numblocks": "2"}
    records |= {"GNU.sparse.map": "3,2,8,1", "GNU.sparse.size": "12"}
    archive = tars.extended(records) + tars.entry("a", data=b"xyz") + tars.END
    assert content(archive, "a") == b"\0\0\0xy\0\0\0z\0\0\0"


def test_folders_are_those_at_the_top() -> None:
    archive = tars.folder("b") + tars.entry("a/c/d") + tars.entry("file") + tars.folder("./") + tars.END
    with tars.opened(archive) as fd:
        assert TarSource(fd, 0).folders() == ["a", "b"]


@pytest.mark.parametrize("cut", [1, 300, 511, 513, 600])
def test_truncated_archive_in_dockers_words(cut: int) -> None:
    with pytest.raises(Corrupt) as caught:
        content(tars.entry("a", data=b"x" * 600)[:cut], "a")
    assert str(caught.value) == "Error processing tar file(exit status 1): unexpected EOF"


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_MEMBERS", 3)
    with pytest.raises(Invalid, match=r"^the archive has more than 3 members$"):
        content(b"".join(tars.entry(str(number)) for number in range(4)) + tars.END, "0")


def test_document_may_not_be_huge() -> None:
    archive = tars.entry("a", data=b" " * (MAX_DOCUMENT_SIZE + 1)) + tars.END
    with pytest.raises(Invalid, match=f"^a has {MAX_DOCUMENT_SIZE + 1} bytes; .* {MAX_DOCUMENT_SIZE} at"):
        content(archive, "a")


def test_file_that_shrinks_meanwhile_is_noticed() -> None:
    with tars.opened(b"12345") as fd:
        assert b"".join(Extent(fd, 0, 5).chunks(2)) == b"12345"
        os.ftruncate(fd, 3)
        with pytest.raises(Corrupt, match=r"^unexpected EOF$"):
            list(Extent(fd, 0, 5).chunks(2))


def test_reader_tells_what_it_read() -> None:
    told: list[int] = []
    with tars.opened(b"0123456789") as fd:
        reader = ExtentReader(Extent(fd, 2, 6), told.append)
        assert [reader.read(4), reader.read(4), reader.read(4)] == [b"2345", b"67", b""]
    assert told == [6]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_archive_is_read_however_it_comes(pack: object, tmp_path: Path, stock: Stock) -> None:
    assert callable(pack)
    packed = pack(PLAIN)
    path = tmp_path / "archive"
    path.write_bytes(b"before" + packed)
    with stock.store.lease() as lease, open(path, "rb") as file:
        file.seek(6)
        for stream in (file, io.BytesIO(packed)):
            members = open_archive(stream, lease, limit=1 << 20)
            assert read_document(members, "a/b") == b"content"
            members.close()


def test_plain_file_is_read_in_place(tmp_path: Path, stock: Stock) -> None:
    path = tmp_path / "archive"
    path.write_bytes(PLAIN)
    with stock.store.lease() as lease, open(path, "rb") as file:
        open_archive(file, lease, limit=0).close()
        assert not [name for name in os.listdir(lease.path) if name != "lock"]


def test_bomb_is_stopped_at_the_limit(stock: Stock) -> None:
    bomb = gzip.compress(tars.entry("a", data=bytes(10 << 20)) + tars.END)
    with (
        stock.store.lease() as lease,
        pytest.raises(Invalid, match=r"^decompressed content exceeds the limit of 1048576 bytes$"),
    ):
        open_archive(io.BytesIO(bomb), lease, limit=1 << 20)


class Endless:
    """A stream of some bytes over and over, which fails its test where nobody stops reading."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = 64 << 20

    def read(self, size: int, /) -> bytes:
        data = (self._data * (size // len(self._data) + 1))[:size]
        self._left -= size
        assert self._left > 0, "it would be read to the end of the disk"
        return data


@pytest.mark.parametrize("data", [b"not a tar", b"\x7fELF" + bytes(60)])
def test_what_does_not_begin_as_a_tar_is_not_written_down(data: bytes, stock: Stock) -> None:
    words = r"^Error processing tar file\(exit status 1\): archive/tar: invalid tar header$"
    with pytest.raises(Corrupt, match=words):
        stock.engine.load(Endless(data), lambda _progress: None)  # type: ignore[arg-type]  # it has but `read`
    with pytest.raises(Corrupt, match=words):
        stock.engine.import_image(Endless(data), ImportRequest())


def test_a_file_that_is_no_tar_is_not_copied(
    tmp_path: Path, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lease, "copy_range", None)
    path = tmp_path / "disk.img"
    path.write_bytes(b"not a tar" * 100)
    with open(path, "rb") as file, pytest.raises(Corrupt, match=r"archive/tar: invalid tar header$"):
        stock.engine.import_image(file, ImportRequest())


def test_of_a_stream_that_begins_with_the_end_of_an_archive_no_more_is_read(stock: Stock) -> None:
    with pytest.raises(MissingMember, match=r"^open repositories: no such file or directory$"):
        stock.engine.load(Endless(b"\0"), lambda _progress: None)  # type: ignore[arg-type]  # it has but `read`


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_compression_is_an_error(damage: str, stock: Stock) -> None:
    packed = bytearray(gzip.compress(PLAIN * 50))
    if damage == "cut":
        del packed[-20:]
    else:
        packed[-6] ^= 0xFF
    with stock.store.lease() as lease, pytest.raises(Corrupt):
        open_archive(io.BytesIO(packed), lease, limit=1 << 20)


def test_folder_serves_files_below_it(tmp_path: Path) -> None:
    layouts.as_folder({"a/b": b"x", "c": b"y"}, str(tmp_path))
    (tmp_path / "inside").symlink_to("a/b")
    folder = FolderSource(str(tmp_path))
    assert read_document(folder, "a/b") == b"x"
    assert read_document(folder, "inside") == b"x"
    assert folder.has("c")
    assert not folder.has("a")
    assert not folder.has("d")
    assert folder.folders() == ["a"]


def test_folder_is_never_left(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to("../secret")
    (inside / "up").symlink_to("..")
    folder = FolderSource(str(inside))
    for name in ("link", "up/secret", "../secret", str(tmp_path / "secret")):
        with pytest.raises(MissingMember, match="leads out of the folder"):
            folder.open(name)


def test_folder_waits_for_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MissingMember, match="not a regular file"):
        FolderSource(str(tmp_path)).open("pipe")


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 5000])
def test_name_that_no_path_can_have_is_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingMember):
        FolderSource(str(tmp_path)).open(name)


def test_folder_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(MissingMember, match="no such file or directory"):
        FolderSource(str(tmp_path / "gone"))
