from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Corrupt, Invalid
from ligan.layers.compression import Reader, detect, open_decompressed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    Compress = Callable[[bytes], bytes]

FORMATS: dict[str, Compress] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}
every_format = pytest.mark.parametrize(("name", "compress"), FORMATS.items(), ids=FORMATS)

CONTENT = os.urandom(50_000) + b"some text " * 40_000


class Trickle:
    """A pipe at its slowest: one byte a read."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, 1))


def content_of(compressed: bytes) -> bytes:
    with open_decompressed(io.BytesIO(compressed)) as reader:
        return reader.read()


@every_format
def test_each_format_is_told_by_its_first_bytes(name: str, compress: Compress) -> None:
    assert detect(compress(b"abc")) == name
    assert detect(compress(b"abc")[:6]) == name


@pytest.mark.parametrize("first", [b"", b"\x1f", b"BZ", b"layer.tar", b"\xfd7zXY\0", b"\x28\xb5\x2f"])
def test_anything_else_is_taken_as_it_is(first: bytes) -> None:
    assert detect(first) is None
    assert content_of(first) == first


@every_format
@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=["empty", "one byte", "much"])
def test_content_comes_back(name: str, compress: Compress, content: bytes) -> None:
    with open_decompressed(io.BytesIO(compress(content))) as reader:
        assert reader.compression == name
        assert reader.read() == content
        assert reader.read(1) == b""


@every_format
def test_streams_end_to_end_are_one(name: str, compress: Compress) -> None:
    several = compress(CONTENT) + compress(b"") + compress(b"and more")
    assert content_of(several) == CONTENT + b"and more"
    with open_decompressed(Trickle(compress(b"ab") + compress(b"") + compress(b"cd"))) as reader:
        assert reader.read() == b"abcd"


@every_format
def test_reading_in_small_pieces_gives_the_same(name: str, compress: Compress) -> None:
    with open_decompressed(io.BytesIO(compress(CONTENT))) as reader:
        pieces = list(iter(lambda: reader.read(997), b""))
    assert b"".join(pieces) == CONTENT
    assert max(map(len, pieces)) <= 997


@every_format
def test_readinto_fills_a_buffer(name: str, compress: Compress) -> None:
    buffer = bytearray(5)
    with open_decompressed(io.BytesIO(compress(b"abcdefg"))) as reader:
        assert reader.readinto(buffer) == 5
        assert reader.readinto(memoryview(buffer)[:4]) == 2
        assert buffer == b"fgcde"
        assert reader.readinto(buffer) == 0


@every_format
def test_pipe_is_read(name: str, compress: Compress) -> None:
    receiving, sending = os.pipe()
    with open(receiving, "rb", buffering=0) as source, open(sending, "wb") as target:

        def send() -> None:
            target.write(compress(CONTENT))
            target.close()

        thread = threading.Thread(target=send)
        thread.start()
        with open_decompressed(source) as reader:
            assert reader.read() == CONTENT
        assert not source.closed
        thread.join()


@every_format
@pytest.mark.parametrize("missing", [1, 4, 20, 1000])
def test_stream_that_ends_early_is_corrupt(name: str, compress: Compress, missing: int) -> None:
    with pytest.raises(Corrupt, match=r"^unexpected EOF$"):
        content_of(compress(CONTENT)[:-missing])


@every_format
def test_second_stream_that_ends_early_is_corrupt(name: str, compress: Compress) -> None:
    with pytest.raises(Corrupt, match=r"^unexpected EOF$"):
        content_of(compress(b"abc") + compress(CONTENT)[:-20])


@every_format
@pytest.mark.parametrize("garbage", [b"g", b"garbage", b"\0", bytes(600), b"garbage" * 100_000])
def test_garbage_after_the_stream_is_corrupt(name: str, compress: Compress, garbage: bytes) -> None:
    if name == "xz" and garbage == bytes(600):
        assert content_of(compress(b"abc") + garbage) == b"abc"
        return
    with pytest.raises(Corrupt, match=rf"^invalid {name} data: garbage after the end of the stream$"):
        content_of(compress(b"abc") + garbage)


def test_other_format_after_the_stream_is_garbage() -> None:
    with pytest.raises(Corrupt, match="garbage"):
        content_of(gzip.compress(b"abc") + bz2.compress(b"abc"))


@pytest.mark.parametrize("zeros", [4, 400_000])
def test_xz_streams_may_be_padded(zeros: int) -> None:
    assert content_of(lzma.compress(b"ab") + bytes(zeros) + lzma.compress(b"cd") + bytes(4)) == b"abcd"
    with pytest.raises(Corrupt, match="garbage"):
        content_of(lzma.compress(b"ab") + bytes(zeros + 1))


def test_skippable_zstd_frames_hold_nothing() -> None:
    skippable = b"\x52\x2a\x4d\x18\x03\0\0\0abc"
    assert detect(skippable) == "zstd"
    assert content_of(skippable + zstd.compress(b"x") + skippable + zstd.compress(b"y")) == b"xy"


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_damaged_content_is_corrupt(name: str) -> None:
    damaged = bytearray(FORMATS[name](CONTENT))
    damaged[25_000] ^= 0x40
    with pytest.raises(Corrupt, match=rf"^invalid {name} data: "):
        content_of(bytes(damaged))


def test_wrong_length_and_checksum_of_gzip_are_corrupt() -> None:
    sound = gzip.compress(b"abc")
    for at in (-1, -8):
        damaged = bytearray(sound)
        damaged[at] ^= 1
        with pytest.raises(Corrupt, match=r"^invalid gzip data: "):
            content_of(bytes(damaged))


def test_damaged_zstd_is_corrupt() -> None:
    with pytest.raises(Corrupt, match=r"^invalid zstd data: "):
        content_of(b"\x28\xb5\x2f\xfd" + b"\xff" * 100)


@pytest.mark.parametrize("compress", [bytes, *FORMATS.values()], ids=["plain", *FORMATS])
def test_more_content_than_the_limit_is_refused(compress: Compress) -> None:
    compressed = compress(b"z" * 1_000_000)
    with open_decompressed(io.BytesIO(compressed), limit=1_000_000) as reader:
        assert len(reader.read()) == 1_000_000
    reader = open_decompressed(io.BytesIO(compressed), limit=999_999)
    with reader, pytest.raises(Invalid, match="content exceeds the limit of 999999 bytes"):
        reader.read()


def test_bomb_is_stopped_soon_after_the_limit() -> None:
    with open_decompressed(io.BytesIO(gzip.compress(bytes(50_000_000))), limit=100_000) as reader:
        assert sum(len(reader.read(50_000)) for _ in range(2)) == 100_000
        with pytest.raises(Invalid, match="limit"):
            reader.read(1)


def test_plain_content_is_passed_through() -> None:
    with open_decompressed(io.BytesIO(b"plain content")) as reader:
        assert type(reader) is Reader
        assert reader.compression is None
        assert (reader.read(3), reader.read(0), reader.read(100)) == (b"pla", b"", b"in ")
        assert reader.read() == b"content"
