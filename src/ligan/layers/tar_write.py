"""Writing the headers of tar archives, as Go's archive/tar does.

`docker save` and `docker commit` write their archives with that package, in
USTAR where a member fits it and in PAX where it does not. The same header
here gives the same bytes, and so the same layer digest.
"""

from __future__ import annotations

import os
from struct import Struct
from zlib import adler32

from ligan.errors import Invalid
from ligan.layers.tar import BLOCK, REGULAR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

END = bytes(2 * BLOCK)

_FIELDS = Struct("100s48s8sc100s8s32s32s16s155s12x")
_NO_RECORDS: Mapping[str, bytes] = {}


def header(
    name: str,
    size: int = 0,
    mtime: int = 0,
    mode: int = 0o644,
    type: str = REGULAR,  # noqa: A002  # the format's word
    uid: int = 0,
    gid: int = 0,
    linkname: str = "",
    *,
    uname: str = "",
    gname: str = "",
    devmajor: int = 0,
    devminor: int = 0,
    records: Mapping[str, bytes] = _NO_RECORDS,
) -> bytes:
    """Return the blocks that come before the data of a member, as Go writes them.

    That is one USTAR block where everything fits one, else a PAX extended
    header and a block with what fits. `mtime` is in seconds. `records` are
    further PAX records, such as extended attributes (their keyword begins
    with XATTR). A directory's name ends in a slash: the caller writes it.

    Raises Invalid for what tar cannot say: a NUL in a name, a mode or device
    number that is negative or too large.
    """
    path, link = name.encode("utf-8", "surrogateescape"), linkname.encode("utf-8", "surrogateescape")
    user, group = uname.encode("utf-8", "surrogateescape"), gname.encode("utf-8", "surrogateescape")
    if 0 in path + link + user + group or not (
        0 <= mode < 1 << 21 and 0 <= devmajor < 1 << 21 and 0 <= devminor < 1 << 21
    ):
        raise Invalid(f"archive/tar: cannot encode header: {name!r}")
    texts = (("path", path, 100), ("linkpath", link, 100), ("uname", user, 32), ("gname", group, 32))
    pax = {key: text for key, text, room in texts if len(text) > room or not text.isascii()}
    if records:
        pax |= records
    numbers = [mode, uid, gid, size, mtime]
    for place, key, bits in ((1, "uid", 21), (2, "gid", 21), (3, "size", 33), (4, "mtime", 33)):
        if not 0 <= numbers[place] < 1 << bits:
            pax[key] = b"%d" % numbers[place]
            numbers[place] = 0
    base, prefix = path, b""
    if pax and pax.keys() <= {"path"} and (split := _split_path(path)):
        prefix, base = split
        pax = {}
    device = b"%07o\0%07o\0" % (devmajor, devminor)
    block = _block(base, tuple(numbers), type, link, user, group, device, prefix)
    return _extended_header(path, pax) + block if pax else block


def _split_path(path: bytes) -> tuple[bytes, bytes] | None:
    """Return prefix and name of a path that is too long for the name field, if USTAR can hold it."""
    if len(path) <= 100 or not path.isascii():
        return None
    slash = path.rfind(b"/", 0, 156 if len(path) > 156 else len(path) - path.endswith(b"/"))
    if slash <= 0 or not 0 < len(path) - slash - 1 <= 100:
        return None
    return path[:slash], path[slash + 1 :]


def _extended_header(path: bytes, records: Mapping[str, bytes]) -> bytes:
    """Return the header and data that carry `records` for the member that follows."""
    data = b""
    for keyword in sorted(records):
        rest = b" " + keyword.encode() + b"=" + records[keyword] + b"\n"
        length = len(rest) + len(str(len(rest)))
        length = len(rest) + len(str(length))  # its own digits count
        data += b"%d" % length + rest
    directory, slash, base = path.rpartition(b"/")
    name = os.path.normpath(os.path.join(directory + slash, b"PaxHeaders.0", base))
    ascii_name = bytes(byte for byte in name if byte < 0x80)[:100].rstrip(b"/")
    return _block(ascii_name, (0, 0, 0, len(data), 0), "x") + data + padding(len(data))


def _block(
    name: bytes,
    numbers: tuple[int, ...],
    kind: str,
    link: bytes = b"",
    user: bytes = b"",
    group: bytes = b"",
    device: bytes = b"",
    prefix: bytes = b"",
) -> bytes:
    """Return one header block. `numbers` are mode, owner, group, size and time."""
    block = _FIELDS.pack(
        _plain(name, 100),
        b"%07o\0%07o\0%07o\0%011o\0%011o\0" % numbers,
        b" " * 8,  # the checksum, as it counts itself
        kind.encode(),
        _plain(link, 100),
        b"ustar\x0000",
        _plain(user, 32),
        _plain(group, 32),
        device,
        _plain(prefix, 155),
    )
    # An Adler-32 holds the sum of the bytes modulo 65521, which half a block cannot reach.
    total = (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2
    return b"%b%06o\0 %b" % (block[:148], total, block[156:])


def _plain(text: bytes, room: int) -> bytes:
    """Return what Go writes into a field: no more than there is room for, and of that what is ASCII."""
    if len(text) <= room and text.isascii():
        return text
    plain = bytes(byte for byte in text if byte < 0x80)[:room]
    # A slash at the end of a cut name would make readers that know no PAX take it for a folder.
    return plain.rstrip(b"/") if len(text) > room else plain


def padding(size: int) -> bytes:
    """Return the zeros that fill the last block of `size` bytes of data."""
    return bytes(-size % BLOCK)
