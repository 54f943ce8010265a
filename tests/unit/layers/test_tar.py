from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Corrupt
from ligan.layers.tar import Member, members
from tests.support.tars import END, entry, extended, field, folder, link, opened, symlink

if TYPE_CHECKING:
    from typing import Literal

abc = entry("x", data=b"abc")


def read(archive: bytes) -> list[Member]:
    with opened(archive) as fd:
        return list(members(fd))


def only(archive: bytes) -> Member:
    (member,) = read(archive)
    return member


def test_members_tell_all_that_a_header_holds() -> None:
    device = field(329, b"0000010\0" + b"0000003\0", entry("dev/c", b"3"))
    archive = folder("dev/") + device + symlink("s", "dev/c") + link("h", "s") + entry("f", size=600) + END
    found = read(archive)
    assert [(m.name, m.type, m.size, m.linkname) for m in found] == [
        ("dev/", "5", 0, ""),
        ("dev/c", "3", 0, ""),
        ("s", "2", 0, "dev/c"),
        ("h", "1", 0, "s"),
        ("f", "0", 600, ""),
    ]
    assert (found[1].devmajor, found[1].devminor) == (8, 3)
    assert archive[found[4].offset :][:600] == b"x" * 600
    assert repr(found[4]) == "<Member 'f' type='0' size=600 offset=2560>"


def test_part_of_a_file_is_read_where_the_file_position_stays() -> None:
    with opened(b"before" + abc + b"after") as fd:
        assert [m.offset for m in members(fd, 6, 6 + len(abc))] == [518]
        assert os.lseek(fd, 0, os.SEEK_CUR) == 0


def test_data_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = 0
    pread = os.pread

    def counting(fd: int, size: int, offset: int) -> bytes:
        nonlocal fetched
        fetched += size
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", counting)
    assert len(read(entry("f", size=1 << 20) * 8 + END)) == 8
    assert fetched < 100_000


def test_owner_mode_and_time_are_read() -> None:
    info = tarfile.TarInfo("x")
    info.uid, info.gid, info.mode, info.mtime = 1000, 0o7777777 + 1, 0o4755, -2
    member = only(info.tobuf(tarfile.GNU_FORMAT) + END)
    assert (member.uid, member.gid, member.mode, member.mtime) == (1000, 0o10000000, 0o4755, -2 * 10**9)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1.5", 1_500_000_000),
        ("-1.5", -1_500_000_000),
        ("1", 1_000_000_000),
        ("1.", 1_000_000_000),
        ("0.0000000019", 1),
    ],
)
def test_time_records_hold_nanoseconds(text: str, nanoseconds: int) -> None:
    assert only(extended({"mtime": text}) + abc).mtime == nanoseconds


def test_records_replace_fields_and_are_kept() -> None:
    records = {
        "path": "a" * 200,
        "linkpath": "t",
        "uid": "9999999",
        "gid": "8888888",
        "SCHILY.xattr.user.note": "\0v=1\n",
    }
    member = only(extended(records) + symlink("a", "b"))
    assert (member.name, member.linkname, member.uid, member.gid) == ("a" * 200, "t", 9999999, 8888888)
    assert member.pax["SCHILY.xattr.user.note"] == b"\0v=1\n"


def test_records_are_of_the_next_member_alone() -> None:
    first, second = read(extended({"path": "a", "uid": "7"}) + abc + abc)
    assert (first.name, first.uid, second.name, second.uid, dict(second.pax)) == ("a", 7, "x", 0, {})


@pytest.mark.parametrize("name", ["n" * 100, "n" * 101, "d/" * 80 + "f", "é" * 90, "n" * 300])
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_links(name: str, form: Literal[1, 2]) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, name
    member = only(info.tobuf(form) + END)
    assert (member.name, member.linkname) == (name, name)


def test_prefix_is_of_the_form_the_magic_names() -> None:
    ustar = field(257, b"ustar\x0000", field(345, b"prefix" + bytes(125) + b"1" * 24, abc))
    assert only(ustar).name == "prefix/x"
    assert only(field(508, b"tar\0", ustar)).name == "prefix/x"
    assert only(field(257, bytes(8), ustar)).name == "x"


def test_prefix_in_a_gnu_header_counts_where_it_cannot_be_times() -> None:
    # Docker before 1.13 wrote such headers.
    assert only(field(345, b"some/folder", abc)).name == "some/folder/x"
    assert only(field(345, b"14354146400\x0014354146400\0", abc)).name == "x"
    assert only(field(345, "é".encode(), abc)).name == "x"


def test_checksum_of_signed_bytes_is_accepted() -> None:
    header = bytearray(entry("é", size=0)[:512])
    signed = sum(byte - 256 * (byte > 127) for byte in header[:148] + header[156:]) + 8 * 32
    header[148:156] = b"%06o\0 " % signed
    assert only(bytes(header)).name == "é"
    header[148:156] = b"%06o\0 " % (signed + 1)
    with pytest.raises(Corrupt, match="invalid tar header"):
        read(bytes(header))


def test_sparse_file_of_gnu_tar() -> None:
    runs = b"".join(b"%011o\0%011o\0" % (1000 * n, 2) for n in range(26))
    header = field(386, runs[:96] + b"\1" + b"%011o\0" % 100_000, entry("s", b"S", data=b"ab" * 26))
    tables = (runs[96:600] + b"\1").ljust(512, b"\0") + runs[600:].ljust(512, b"\0")
    archive = header[:512] + tables + header[512:] + abc
    member, following = read(archive)
    assert (member.type, member.size, member.stored) == ("S", 100_000, 52)
    assert archive[member.offset :][:52] == b"ab" * 26
    assert member.sparse == tuple((1000 * n, 2) for n in range(26))
    assert following.name == "x"


def test_sparse_file_in_pax_form() -> None:
    version = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "5000"}
    text = b"1000\n" + b"".join(b"%d\n1\n" % (2 * n) for n in range(1000))
    data = text + bytes(-len(text) % 512) + b"z" * 1000
    archive = extended(version | {"GNU.sparse.name": "real"}) + entry("GNUSparseFile.0/x", data=data) + abc
    member, following = read(archive)
    assert (member.name, member.size, member.stored, following.name) == ("real", 5000, 1000, "x")
    assert archive[member.offset :][:1000] == b"z" * 1000
    assert member.sparse == tuple((2 * n, 1) for n in range(1000))


def test_sparse_map_has_a_limit() -> None:
    version = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "5000"}
    with pytest.raises(Corrupt, match="sparse map too long"):
        read(extended(version) + entry("x", data=b"9999999999\n" + b"1\n" * 600_000))
    with pytest.raises(Corrupt, match="sparse map too long"):
        read(field(482, b"\1", entry("x", b"S")) + (bytes(504) + b"\1" + bytes(7)) * 2100)


def test_hundred_megabytes_of_claims_allocate_nothing() -> None:
    with pytest.raises(Corrupt, match="header field too long"):
        read(field(124, b"00777777777\0", entry("x", b"L")))
    with pytest.raises(Corrupt, match="unexpected EOF"):
        read(field(124, b"00003777777\0", entry("x", b"L")))


def test_archive_of_tarfile_with_every_kind_is_read_equally() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number, kind in enumerate((b"0", b"1", b"2", b"3", b"4", b"5", b"6")):
            info = tarfile.TarInfo(f"m{number}")
            info.type = kind
            tar.addfile(info)
    assert [m.type for m in read(buffer.getvalue())] == list("0123456")
