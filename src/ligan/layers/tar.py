"""Reading tar archives, as Go's archive/tar does.

Docker's notion of a tar file is what that package accepts, so every rule here
is taken from its answers: which damage is refused and in which words, which
extension wins over which, what ends an archive. Reading is random access on
an open file and touches headers only; a layer of 30,000 files is listed in a
fraction of a second and a few kilobytes of memory.

Names are str with surrogate escapes, since any byte but NUL is legal in them.
"""

from __future__ import annotations

import os
from struct import Struct
from zlib import adler32

from ligan.errors import Corrupt
from ligan.layers.tar_fields import INVALID, decimal, nanoseconds, number_of, octal, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BLOCK = 512

REGULAR, HARD_LINK, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO = "0123456"
GNU_SPARSE = "S"

XATTR = "SCHILY.xattr."

_TRUNCATED = "unexpected EOF"
_MISSING_DATA = "archive/tar: sparse file references non-existent data"
_EXCESS_DATA = "archive/tar: sparse file contains unreferenced data"

# What one pread fetches. Under about 8 KiB its price is the call, not the
# bytes, and headers of small files, links and directories then come together.
_WINDOW = 8 << 10
# Go reads no long name, extended header or sparse map beyond this.
_SPECIAL_LIMIT = 1 << 20

_HEADER = Struct("100s24s12s12s8sc100s8s64x16s155s12s")
_ZEROS = bytes(BLOCK)
_USTAR, _GNU = b"ustar\0", b"ustar  \0"
_NO_DATA = frozenset("123456")
_NO_PAX: Mapping[str, bytes] = {}


class Member:
    """One entry of an archive, extended headers applied. Treat it as immutable.

    `size` is the size of the file, `stored` the bytes it takes in the archive
    from `offset` on: they differ for sparse files, whose `sparse` lists the
    (offset in the file, length) of each run of data, and for links and other
    kinds that have no data whatever their header says. `mtime` is in
    nanoseconds. `pax` holds the records of the extended header, as they are.
    """

    __slots__ = (
        "devmajor",
        "devminor",
        "gid",
        "linkname",
        "mode",
        "mtime",
        "name",
        "offset",
        "pax",
        "size",
        "sparse",
        "stored",
        "type",
        "uid",
    )

    name: str
    type: str
    size: int
    offset: int
    stored: int
    linkname: str
    mode: int
    uid: int
    gid: int
    mtime: int
    devmajor: int
    devminor: int
    pax: Mapping[str, bytes]
    sparse: tuple[tuple[int, int], ...] | None

    def __repr__(self) -> str:
        return f"<Member {self.name!r} type={self.type!r} size={self.size} offset={self.offset}>"


def members(fd: int, start: int = 0, end: int | None = None) -> Iterator[Member]:
    """Yield the members of the archive in bytes `start` to `end` of an open, seekable file.

    `end` is the end of the file unless given. The archive ends at two blocks
    of zeros, or at `end` where a header would begin; what follows the zeros
    is not looked at. The file's own position is neither used nor moved.

    Global extended headers are skipped, as Go and Docker do. Raises Corrupt
    where a header is damaged, or where a member reaches over the end.
    """
    if end is None:
        end = os.fstat(fd).st_size
    archive = _Archive(fd, end)
    position = start
    records: Mapping[str, bytes] = _NO_PAX
    long_name = long_link = ""
    while block := archive.block(position):
        if block == _ZEROS:
            if archive.block(position + BLOCK) not in (b"", _ZEROS):
                raise Corrupt(INVALID)
            return
        member = _parse(block)
        position += BLOCK
        if member.type in "xgLK":
            data = archive.special(position, member.size)
            position += -(-member.size // BLOCK) * BLOCK
            if member.type == "x":
                records = _pax_records(data)
            elif member.type == "g":  # in Go an entry of its own, which uses up what came before it
                _pax_records(data)
                records, long_name, long_link = _NO_PAX, "", ""
            elif member.type == "L":
                long_name = text_of(data)
            else:
                long_link = text_of(data)
            continue
        if records:
            _apply_records(member, records)
        member.name = long_name or member.name
        member.linkname = long_link or member.linkname
        if member.type == "\0":
            member.type = DIRECTORY if member.name.endswith("/") else REGULAR
        member.offset = position
        member.stored = 0 if member.type in _NO_DATA else member.size
        position += -(-member.stored // BLOCK) * BLOCK
        if records or member.type == GNU_SPARSE:
            position += _read_sparse_map(archive, block, member)
            records = _NO_PAX
        if member.offset + member.stored > end:
            raise Corrupt(_TRUNCATED)
        long_name = long_link = ""
        yield member


def begins_archive(block: bytes) -> bool:
    """Return whether a block is the header of a member, and so an archive what begins with it."""
    try:
        return len(block) >= BLOCK and block[:BLOCK] != _ZEROS and bool(_parse(block[:BLOCK]))
    except Corrupt:
        return False


class _Archive:
    """Blocks of a file read forwards, a window at a time."""

    def __init__(self, fd: int, end: int) -> None:
        self._fd = fd
        self._end = end
        self._base = 0
        self._window = b""

    def block(self, position: int) -> bytes:
        """Return the block at `position`, b"" at or beyond the end."""
        at = position - self._base
        block = self._window[at : at + BLOCK]
        if len(block) < BLOCK:
            self._base = position
            self._window = os.pread(self._fd, max(0, min(_WINDOW, self._end - position)), position)
            block = self._window[:BLOCK]
            if 0 < len(block) < BLOCK:
                raise Corrupt(_TRUNCATED)
        return block

    def special(self, position: int, size: int) -> bytes:
        """Return the whole data of a header that describes the next member."""
        if size > _SPECIAL_LIMIT:
            raise Corrupt("archive/tar: header field too long")
        data = os.pread(self._fd, max(0, min(size, self._end - position)), position)
        if len(data) < size:
            raise Corrupt(_TRUNCATED)
        return data


def _parse(block: bytes) -> Member:
    """Return the member a header block tells of; its offset, stored size and extensions are not set yet."""
    name, owner, size, mtime, checksum, kind, link, magic, device, prefix, tail = _HEADER.unpack(block)
    # An Adler-32 holds the sum of the bytes modulo 65521, which half a block cannot reach.
    total = (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2
    total += 8 * 0x20 - sum(checksum)
    if b"%06o\0 " % total != checksum and total != octal(checksum) != _signed_sum(block):
        raise Corrupt(INVALID)
    member = Member()
    member.name = text_of(name)
    member.linkname = text_of(link) if link[0] else ""
    member.type = chr(kind[0])
    member.size = number_of(size)
    member.mode, member.uid, member.gid = _three_numbers(owner)
    member.mtime = number_of(mtime) * 1_000_000_000
    member.devmajor = member.devminor = 0
    member.pax = _NO_PAX
    member.sparse = None
    if member.size < 0 and member.type not in _NO_DATA:
        raise Corrupt(INVALID)
    if magic[:6] == _USTAR or magic == _GNU:
        if device not in _NO_DEVICE:
            member.devmajor, member.devminor = number_of(device[:8]), number_of(device[8:])
        if prefix[0]:
            member.name = _with_prefix(member.name, magic, prefix, tail)
    return member


_NO_DEVICE = (b"0000000\0" * 2, bytes(16))


def _with_prefix(name: str, magic: bytes, prefix: bytes, tail: bytes) -> str:
    if magic == _GNU:
        # GNU tar keeps two times here. Before Go 1.8, hence in Docker before 1.13,
        # Go wrote a name's prefix into them all the same.
        try:
            number_of(prefix[:12])
            number_of(prefix[12:24])
        except Corrupt:
            return f"{text_of(prefix)}/{name}" if text_of(prefix).isascii() else name
        return name
    if tail.endswith(b"tar\0"):  # star has a shorter prefix, followed by two times
        prefix = prefix[:131]
    return f"{text_of(prefix)}/{name}" if prefix[0] else name


_owners: dict[bytes, tuple[int, int, int]] = {}


def _three_numbers(owner: bytes) -> tuple[int, int, int]:
    """Return mode, uid and gid. An archive has few combinations, so each is parsed once."""
    numbers = _owners.get(owner)
    if numbers is None:
        if len(_owners) >= 1024:
            _owners.clear()
        numbers = _owners[owner] = number_of(owner[:8]), number_of(owner[8:16]), number_of(owner[16:])
    return numbers


def _signed_sum(block: bytes) -> int:
    """Return the checksum as some old writers took it, of signed bytes."""
    rest = block[:148] + b" " * 8 + block[156:]
    return sum(rest) - 256 * sum(byte > 0x7F for byte in rest)


def _pax_records(data: bytes) -> dict[str, bytes]:
    """Return the records of an extended header; the last of a keyword counts.

    The sparse map in version 0.0 is a sequence of records with two keywords;
    it is turned into the one record of version 0.1.
    """
    records: dict[str, bytes] = {}
    runs: list[bytes] = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at)
        length = decimal(data[at:space]) if space >= 0 else 0
        end = at + length
        keyword, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end > len(data) or end - 1 <= space + 1 or data[end - 1] != 0x0A or not equals or not keyword:
            raise Corrupt(INVALID)
        named = keyword in (b"path", b"linkpath", b"uname", b"gname")
        if 0 in (value if named else keyword):
            raise Corrupt(INVALID)
        if keyword in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            if (keyword == b"GNU.sparse.offset") != (len(runs) % 2 == 0) or b"," in value:
                raise Corrupt(INVALID)
            runs.append(value)
        else:
            records[keyword.decode("utf-8", "surrogateescape")] = value
        at = end
    if runs:
        records["GNU.sparse.map"] = b",".join(runs)
    return records


def _apply_records(member: Member, records: Mapping[str, bytes]) -> None:
    member.pax = records
    for keyword, value in records.items():
        if not value:  # an empty record leaves the field of the header in force
            continue
        if keyword == "path":
            member.name = text_of(value)
        elif keyword == "linkpath":
            member.linkname = text_of(value)
        elif keyword == "size":
            member.size = decimal(value)
        elif keyword == "uid":
            member.uid = decimal(value)
        elif keyword == "gid":
            member.gid = decimal(value)
        elif keyword == "mtime":
            member.mtime = nanoseconds(value)
        elif keyword in ("atime", "ctime"):
            nanoseconds(value)
    if member.size < 0 and member.type not in _NO_DATA:
        raise Corrupt(INVALID)


def _read_sparse_map(archive: _Archive, header: bytes, member: Member) -> int:
    """Set `sparse`, the size of the file and the place of its data, if this is a sparse file.

    Return the bytes between header and data that the header's size leaves out.
    """
    if member.type == GNU_SPARSE:
        return _read_gnu_sparse_map(archive, header, member)
    pax = member.pax
    version = pax.get("GNU.sparse.major", b""), pax.get("GNU.sparse.minor", b"")
    runs_are_in_data = version == (b"1", b"0")
    if version == (b"", b""):
        if not pax.get("GNU.sparse.map"):
            return 0
    elif not runs_are_in_data and version not in ((b"0", b"0"), (b"0", b"1")):
        return 0
    member.name = text_of(pax.get("GNU.sparse.name", b"")) or member.name
    if size := pax.get("GNU.sparse.size") or pax.get("GNU.sparse.realsize"):
        member.size = decimal(size)
    if runs_are_in_data:
        numbers, taken = _leading_map(archive, member)
        member.offset += taken
        member.stored -= taken
    else:
        text = pax.get("GNU.sparse.map", b"")
        numbers = [decimal(number) for number in text.split(b",")] if text else []
        if len(numbers) != 2 * decimal(pax.get("GNU.sparse.numblocks", b"")):
            raise Corrupt(INVALID)
    _set_runs(member, list(zip(numbers[::2], numbers[1::2], strict=True)))
    return 0


def _leading_map(archive: _Archive, member: Member) -> tuple[list[int], int]:
    """Return the numbers of the map that begins the data (version 1.0), and the bytes of its blocks."""
    for reach in (8 * BLOCK, _SPECIAL_LIMIT):
        data = archive.special(member.offset, min(reach, member.stored))
        count, newline, rest = data.partition(b"\n")
        wanted = 2 * decimal(count) if newline else 0
        if wanted < 0:
            raise Corrupt(INVALID)
        lines = rest.split(b"\n", min(wanted, len(rest)))
        if newline and len(lines) == wanted + 1:
            taken = -(-(len(data) - len(lines[-1])) // BLOCK) * BLOCK
            return [decimal(line) for line in lines[:-1]], min(taken, member.stored)
        if len(data) == member.stored:
            raise Corrupt(_TRUNCATED)
    raise Corrupt("archive/tar: sparse map too long")


def _read_gnu_sparse_map(archive: _Archive, header: bytes, member: Member) -> int:
    if header[257:265] != _GNU:
        raise Corrupt(INVALID)
    member.size = number_of(header[483:495])
    table, more = header[386:482], header[482]
    runs: list[tuple[int, int]] = []
    start = member.offset
    while True:
        for at in range(0, len(table), 24):
            if not table[at]:
                break
            runs.append((number_of(table[at : at + 12]), number_of(table[at + 12 : at + 24])))
        if not more:
            break
        block = archive.block(member.offset)
        if not block:
            raise Corrupt(_TRUNCATED)
        member.offset += BLOCK
        if member.offset - start > _SPECIAL_LIMIT:
            raise Corrupt("archive/tar: sparse map too long")
        table, more = block[:504], block[504]
    _set_runs(member, runs)
    return member.offset - start


def _set_runs(member: Member, runs: list[tuple[int, int]]) -> None:
    reached = total = 0
    for offset, length in runs:
        if length < 0 or offset < reached or offset + length > member.size:
            raise Corrupt(INVALID)
        reached = offset + length
        total += length
    if member.size < 0 or member.type in _NO_DATA:
        raise Corrupt(INVALID)
    if total != member.stored:
        raise Corrupt(_MISSING_DATA if total > member.stored else _EXCESS_DATA)
    member.sparse = tuple(runs)
