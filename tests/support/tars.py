"""Tar archives put together block by block, sound or not."""

from __future__ import annotations

import os
import tarfile
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ZEROS = bytes(512)
END = 2 * ZEROS


def entry(name: str, kind: bytes = b"0", size: int = 0, target: str = "", data: bytes | None = None) -> bytes:
    """Return one member: a file of `size` bytes (or of `data`) unless `kind` says otherwise."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    body = data if data is not None else b"x" * size if kind not in b"123456" else b""
    info.size = len(body) or size
    header = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    return header + body + bytes(-len(body) % 512)


def folder(name: str) -> bytes:
    return entry(name, b"5")


def symlink(name: str, target: str) -> bytes:
    return entry(name, b"2", target=target)


def link(name: str, target: str, size: int = 0) -> bytes:
    return entry(name, b"1", size, target)


def extended(records: bytes | dict[str, str], kind: bytes = b"x") -> bytes:
    """Return an extended header with these records, or with exactly these bytes."""
    data = records if isinstance(records, bytes) else b"".join(record(*item) for item in records.items())
    return entry("PaxHeaders/q", kind, data=data)


def record(keyword: str, value: str) -> bytes:
    """Return one PAX record."""
    rest = f" {keyword}={value}\n".encode()
    size = len(rest) + len(str(len(rest)))
    return str(len(rest) + len(str(size))).encode() + rest


def attributes(values: dict[str, str]) -> bytes:
    """Return an extended header with these extended attributes of the file that follows."""
    return extended({f"SCHILY.xattr.{name}": value for name, value in values.items()})


def field(start: int, value: bytes, member: bytes) -> bytes:
    """Return the member with a field of its header changed, and the checksum mended."""
    header = bytearray(member[:512])
    header[start : start + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + member[512:]


@contextmanager
def opened(content: bytes) -> Iterator[int]:
    """Yield the descriptor of a file with this content."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        yield file.fileno()
