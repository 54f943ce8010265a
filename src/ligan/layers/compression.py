"""Decompressing what a layer or an image archive may be wrapped in.

gzip, bzip2, xz and zstd are told apart by their first bytes, as Docker does
from engine 23 on; anything else passes through untouched. Each decoder is
imported when its format is first met.
"""

from __future__ import annotations

import io

from ligan.errors import Corrupt, Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Source(Protocol):
        """Where compressed bytes come from: a file, a pipe, a response body."""

        def read(self, size: int, /) -> bytes:
            """Return up to `size` bytes, and none only at the end."""

    class _Decoder(Protocol):
        """What the decoders of one stream (a gzip member, a zstd frame) have in common."""

        @property
        def eof(self) -> bool: ...
        @property
        def needs_input(self) -> bool: ...
        @property
        def unused_data(self) -> bytes: ...
        def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


_MAGICS = {"gzip": b"\x1f\x8b\x08", "bzip2": b"BZh", "xz": b"\xfd7zXZ\0", "zstd": b"\x28\xb5\x2f\xfd"}
_LONGEST_MAGIC = 6

# zstd lets anyone put frames without content before, between and after the others (RFC 8878, 3.1.2).
_ZSTD_SKIPPABLE = tuple(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60))

_CHUNK = 64 << 10


def detect(first_bytes: bytes) -> str | None:
    """Return "gzip", "bzip2", "xz" or "zstd" if the bytes begin such a stream, else None.

    Six bytes decide; fewer are enough where the stream itself is shorter.
    """
    for name, magic in _MAGICS.items():
        if first_bytes.startswith(magic):
            return name
    return "zstd" if first_bytes.startswith(_ZSTD_SKIPPABLE) else None


def open_decompressed(source: Source, limit: int | None = None) -> Reader:
    """Return a reader of the content of `source`, whatever it is compressed with.

    Only `source.read` is used, so a pipe will do; closing the reader leaves
    `source` open. Reading raises Corrupt where the stream is damaged, ends
    early or is followed by something else, and Invalid once the content is
    longer than `limit` bytes.
    """
    first = b""
    while len(first) < _LONGEST_MAGIC and (more := source.read(_LONGEST_MAGIC - len(first))):
        first += more
    name = detect(first)
    return Reader(source, first, limit) if name is None else _DecodingReader(source, first, limit, name)


class Reader(io.RawIOBase):
    """The content of a source, passed through as it is. `compression` names how it was wrapped."""

    compression: str | None = None

    def __init__(self, source: Source, first: bytes, limit: int | None) -> None:
        self._source = source
        self._pending = first
        self._limit = limit
        self._produced = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes of content, all the rest if it is negative; b"" at the end only."""
        if size < 0:
            return self.readall()
        content = self._produce(size) if size else b""
        self._produced += len(content)
        if self._limit is not None and self._produced > self._limit:
            raise Invalid(f"decompressed content exceeds the limit of {self._limit} bytes")
        return content

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # typeshed's Buffer is 3.12
        """Fill the front of `buffer` with content and return how many bytes; 0 at the end only."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _produce(self, size: int) -> bytes:
        if not self._pending:
            return self._source.read(size)
        content, self._pending = self._pending[:size], self._pending[size:]
        return content


class _DecodingReader(Reader):
    """The decompressed content of one or more compressed streams, end to end."""

    def __init__(self, source: Source, first: bytes, limit: int | None, name: str) -> None:
        super().__init__(source, first, limit)
        self.compression = name
        self._new_decoder, self._errors = _decoder(name)
        self._decoder: _Decoder | None = self._new_decoder()

    def _produce(self, size: int) -> bytes:
        while self._decoder is not None:
            if self._decoder.eof:
                self._start_next_stream()
                continue
            if self._decoder.needs_input and not self._pending:
                self._pending = self._source.read(_CHUNK)
                if not self._pending:
                    raise Corrupt("unexpected EOF")  # Go's words, for every format
            data, self._pending = self._pending, b""
            try:
                content = self._decoder.decompress(data, size)
            except self._errors as error:
                raise Corrupt(f"invalid {self.compression} data: {error}") from None
            if content:
                return content
        return b""

    def _start_next_stream(self) -> None:
        """Go on with what follows a finished stream: nothing, or another one.

        Go's gzip and bzip2 readers refuse anything else after a stream; xz
        alone lets zero bytes follow in fours (its format, 2.2).
        """
        assert self._decoder is not None
        rest = self._decoder.unused_data + self._pending
        padding = 4
        while padding:
            while len(rest) < _LONGEST_MAGIC and (more := self._source.read(_CHUNK)):
                rest += more
            zeros = len(rest) - len(rest.lstrip(b"\0"))
            padding = zeros // 4 * 4 if self.compression == "xz" else 0
            rest = rest[padding:]
        if rest and detect(rest) != self.compression:
            raise Corrupt(f"invalid {self.compression} data: garbage after the end of the stream")
        self._pending = rest
        self._decoder = self._new_decoder() if rest else None


def _decoder(name: str) -> tuple[Callable[[], _Decoder], tuple[type[Exception], ...]]:
    """Return what makes decoders of a format, and the errors they raise on damaged input."""
    if name == "gzip":
        from isal import igzip_lib

        return lambda: igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP), (igzip_lib.error,)  # type: ignore[return-value]  # stubs call the class an instance
    if name == "bzip2":
        import bz2

        return bz2.BZ2Decompressor, (OSError, ValueError)
    if name == "xz":
        import lzma

        return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ), (lzma.LZMAError,)
    import sys

    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdDecompressor, (zstd.ZstdError,)
