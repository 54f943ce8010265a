from __future__ import annotations

import gzip
import io
import os
import tarfile

import pytest

from ligan.errors import Invalid
from ligan.layers.tar import XATTR, Member, members
from ligan.layers.tar_write import END, header, padding
from tests.support.tars import opened

ALPINE_CHAIN = os.path.join(os.path.dirname(__file__), "..", "..", "data", "alpine-chain.tar.gz")


def again(member: Member, block: bytes) -> bytes:
    """Return the header of a member that was read, written anew; its owners' names are taken from `block`."""
    return header(
        member.name,
        member.stored,
        member.mtime // 10**9,
        member.mode,
        member.type,
        member.uid,
        member.gid,
        member.linkname,
        uname=block[265:297].rstrip(b"\0").decode(),
        gname=block[297:329].rstrip(b"\0").decode(),
    )


def test_headers_of_a_docker_save_are_written_to_the_byte() -> None:
    with gzip.open(ALPINE_CHAIN) as packed:
        archive = packed.read()
    written = b""
    with opened(archive) as fd:
        for member in members(fd):
            block = archive[member.offset - 512 : member.offset]
            written += again(member, block)
            written += archive[member.offset :][: member.stored] + padding(member.stored)
    assert written + END == archive


def test_layers_of_docker_commit_are_written_to_the_byte() -> None:
    with gzip.open(ALPINE_CHAIN) as packed:
        archive = packed.read()
    compared = 0
    with opened(archive) as fd:
        for outer in members(fd):
            if not outer.name.endswith("/layer.tar") or outer.stored > 100_000:
                continue
            for member in members(fd, outer.offset, outer.offset + outer.stored):
                block = archive[member.offset - 512 : member.offset]
                assert again(member, block) == block
                compared += 1
    assert compared > 5


# What dockerd 20.10.24 wrote for such names in the layer of a COPY.
LONG = "n" * 90


def test_long_path_is_split_where_ustar_can_hold_it() -> None:
    block = header(f"{LONG}/{'l' * 32}", 2, 0, 0o100644, uname="root", gname="root")
    assert len(block) == 512
    assert block[:100].rstrip(b"\0") == b"l" * 32
    assert block[345:].rstrip(b"\0") == LONG.encode()
    assert block[257:345] == b"ustar\x0000" + b"root".ljust(32, b"\0") * 2 + b"0000000\0" * 2


def test_long_link_takes_an_extended_header() -> None:
    blocks = header("sl", 0, 0, 0o120777, "2", linkname=f"{LONG}/{LONG}")
    assert blocks[:15] == b"PaxHeaders.0/sl"
    assert blocks[156:157] == b"x"
    assert blocks[265:500] == bytes(64) + bytes(16) + bytes(155)
    assert blocks[100:136] == b"0000000\x000000000\x000000000\x0000000000303\0"
    assert blocks[512:1024].rstrip(b"\0") == f"195 linkpath={LONG}/{LONG}\n".encode()
    assert blocks[1024 + 157 :][:100] == f"{LONG}/{LONG}".encode()[:100]


def test_name_beyond_ascii_takes_an_extended_header() -> None:
    blocks = header("é", 2, 0, 0o100644)
    assert blocks[:100].rstrip(b"\0") == b"PaxHeaders.0"
    assert blocks[512:1024].rstrip(b"\0") == b"11 path=\xc3\xa9\n"
    assert blocks[1024:1124] == bytes(100)


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/b", b"a/PaxHeaders.0/b"), ("a/d/", b"a/d/PaxHeaders.0"), ("é/x", b"/PaxHeaders.0/x")],
)
def test_extended_header_is_named_after_its_member(path: str, name: bytes) -> None:
    blocks = header(path, records={f"{XATTR}user.a": b"1"})
    assert blocks[:100].rstrip(b"\0") == name


@pytest.mark.parametrize("room", range(85, 110))
def test_record_counts_its_own_digits(room: int) -> None:
    blocks = header("x", records={"comment": b"y" * room})
    text = blocks[512:1024].rstrip(b"\0")
    assert int(text.split()[0]) == len(text)


def test_numbers_that_ustar_cannot_hold_become_records() -> None:
    blocks = header("x", 8 << 30, -1, uid=1 << 21, gid=(1 << 21) - 1)
    assert blocks[512:1024].rstrip(b"\0") == b"12 mtime=-1\n19 size=8589934592\n15 uid=2097152\n"
    assert blocks[1024 + 108 : 1024 + 148] == b"0000000\x007777777\x0000000000000\x0000000000000\0"


def test_what_is_written_tarfile_reads() -> None:
    name = "d/" * 100 + "é\udcff"
    written = header(name, 3, 5, 0o600, records={f"{XATTR}user.a": b"\0\xff"}) + b"abc" + padding(3)
    written += header("c", type="3", devmajor=1, devminor=3) + END
    with tarfile.open(fileobj=io.BytesIO(written), encoding="utf-8", errors="surrogateescape") as tar:
        first, device = tar.getmembers()
        assert (first.name, first.size, first.mtime, first.mode) == (name, 3, 5, 0o600)
        assert first.pax_headers["SCHILY.xattr.user.a"] == "\0\udcff"
        assert (device.devmajor, device.devminor) == (1, 3)


@pytest.mark.parametrize("bad", [{"name": "a\0b"}, {"mode": -1}, {"mode": 1 << 21}, {"devminor": 1 << 21}])
def test_what_tar_cannot_say_is_refused(bad: dict[str, str | int]) -> None:
    with pytest.raises(Invalid, match="cannot encode header"):
        header(**({"name": "x"} | bad))  # type: ignore[arg-type]  # the cases name one argument each


@pytest.mark.parametrize(("size", "zeros"), [(0, 0), (1, 511), (512, 0), (513, 511)])
def test_padding_fills_the_block(size: int, zeros: int) -> None:
    assert padding(size) == bytes(zeros)
