"""Writing the headers of tar archives, as Go's archive/tar does.

`docker save` and `docker commit` write their archives with that package, in
USTAR where a member fits it and in PAX where it does not. The same header
here gives the same bytes, and so the same layer digest.
"""

from __future__ import annotations

import os

from ligan.errors import Invalid
from ligan.layers.tar import BLOCK, REGULAR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

END = bytes(2 * BLOCK)

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
    fields = {
        "path": (name, 100),
        "linkpath": (linkname, 100),
        "uname": (uname, 32),
        "gname": (gname, 32),
    }
    texts = {key: text.encode("utf-8", "surrogateescape") for key, (text, _) in fields.items()}
    if any(0 in text for text in texts.values()) or not all(
        0 <= number < 1 << 21 for number in (mode, devmajor, devminor)
    ):
        raise Invalid(f"archive/tar: cannot encode header: {name!r}")
    pax = dict(records)
    long = [key for key, (_, room) in fields.items() if len(texts[key]) > room or not texts[key].isascii()]
    pax.update({key: texts[key] for key in long})
    numbers = {"size": (size, 33), "uid": (uid, 21), "gid": (gid, 21), "mtime": (mtime, 33)}
    for key, (number, bits) in numbers.items():
        if not 0 <= number < 1 << bits:
            pax[key] = b"%d" % number
    path, prefix = texts["path"], b""
    if pax.keys() <= {"path"} and (split := _split_path(path)):
        prefix, path = split
        pax = {}
    block = _block(
        path,
        (mode, *(0 if key in pax else numbers[key][0] for key in ("uid", "gid", "size", "mtime"))),
        type,
        texts["linkpath"],
        (texts["uname"], texts["gname"]),
        (b"%07o" % devmajor, b"%07o" % devminor),
        prefix,
    )
    return _extended_header(texts["path"], pax) + block if pax else block


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
    linkname: bytes = b"",
    owners: tuple[bytes, bytes] = (b"", b""),
    device: tuple[bytes, bytes] = (b"", b""),
    prefix: bytes = b"",
) -> bytes:
    """Return one header block. Text loses what is not ASCII and what does not fit, as in Go."""
    block = bytearray(BLOCK)
    texts = (
        (0, 100, name),
        (157, 100, linkname),
        (265, 32, owners[0]),
        (297, 32, owners[1]),
        (345, 155, prefix),
    )
    for at, room, text in texts:
        plain = bytes(byte for byte in text if byte < 0x80)[:room]
        if len(text) > room:  # or readers that know no PAX take a file for a directory
            plain = plain.rstrip(b"/")
        block[at : at + len(plain)] = plain
    block[100:148] = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % numbers
    block[156:157] = kind.encode()
    block[257:265] = b"ustar\x0000"
    block[329 : 329 + len(device[0])] = device[0]
    block[337 : 337 + len(device[1])] = device[1]
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padding(size: int) -> bytes:
    """Return the zeros that fill the last block of `size` bytes of data."""
    return bytes(-size % BLOCK)
