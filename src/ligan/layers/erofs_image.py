"""EROFS images of metadata alone, whose files' data lies on another device (Linux, fs/erofs/erofs_fs.h).

Blocks have 512 bytes, as in a tar, whose data therefore begins with a block.
The devices of an image share one space of block numbers. Files are flat: one
number tells where in that space the data begins. The other form, a chunk with
an index of its own, takes half as much again for each file.
"""

from __future__ import annotations

import stat
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BLOCK = 512

ROOT = 40
"""The number of the root. It has 16 bits, so the root has its own place, with room for some attributes."""

DEVICE = 1 << 24
"""Where the other device begins in the space of blocks. The image lies below, and takes 8 GiB at most."""

OPAQUE = "trusted.overlay.opaque"
"""The attribute, of value `y`, of a folder that hides what lower layers have in it."""

BLOCKS_MAX = (1 << 32) - 1 - DEVICE
"""The blocks that the other device can have: their numbers are of 32 bits."""

# Superblock: magic, checksum, compatible features, block bits, extensions, root,
# inodes, epoch, its nanoseconds, blocks, metadata and attribute blocks, UUID,
# volume, incompatible features, compression, extra devices, slot of the first.
_SUPERBLOCK, _SUPERBLOCK_AT = Struct("<IIIBBHQQIIII16s16sIHHH38x"), 1024
_MAGIC = 0xE0F5E1E2
_HAS_TIMES, _HAS_DEVICES = 2, 8
# Device slot: tag, blocks, number of the first block.
_DEVICE, _DEVICE_AT = Struct("<64xII56x"), 1152
_FIRST_AT = 2048
# Inode: format, size of attributes, mode, upper bits of the block, size, block
# or device, number, owner, group, seconds, nanoseconds, links.
_INODE = Struct("<HHHHQIIIIqII16x")
_KIND_AT, _SIZE_AT, _TIME_AT, _LINKS_AT = 5, 8, 32, 44
_SIZE, _SIZE_AND_BLOCK, _TIME, _LINKS = Struct("<Q"), Struct("<QI"), Struct("<qI"), Struct("<I")
_FLAT, _INLINE = 1, 5  # both extended inodes; inline data follows the inode
_LOW_BITS = (1 << 32) - 1
INODE_SIZE = _INODE.size
"""Bytes of an inode without its extended attributes."""

# The number of an inode is its place in units of 32 bytes.
_UNIT, _UNIT_BITS = 32, 5
# Entry of a folder: inode, place of the name in the block, type.
_ENTRY = Struct("<QHBx")
# The types of entries, by the upper four bits of a mode.
_CHARACTER_DEVICE = 3
_TYPES = {
    kind >> 12: number
    for number, kind in (
        (1, stat.S_IFREG),
        (2, stat.S_IFDIR),
        (_CHARACTER_DEVICE, stat.S_IFCHR),
        (4, stat.S_IFBLK),
        (5, stat.S_IFIFO),
        (7, stat.S_IFLNK),
    )
}
# Extended attribute: length of the name, its namespace, length of the value.
_XATTR, _XATTRS_HEADER = Struct("<BBH"), 12
_NAMESPACES = {1: "user.", 4: "trusted.", 6: "security."}
_NUMBERS = {"user": 1, "trusted": 4, "security": 6}
_VALUE_MAX = (1 << 16) - 1
_XATTRS_MAX = _XATTRS_HEADER + 4 * ((1 << 16) - 2)

_SECOND = 1_000_000_000


class Inode:
    """What an image keeps of an inode, but for the count of its links. Times are in nanoseconds.

    `data` is the block of a file's data, the block of a symbolic link's target
    where that is not inline, or the number of a device.
    """

    __slots__ = ("data", "gid", "mode", "size", "time", "uid", "xattrs")

    def __init__(self, mode: int, uid: int, gid: int, time: int, size: int = 0, data: int = 0) -> None:
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.time = time
        self.size = size
        self.data = data
        self.xattrs: Mapping[str, bytes] = _NO_XATTRS


_NO_XATTRS: Mapping[str, bytes] = {}


class Image:
    """An image in memory: inodes first, then what is in its folders.

    `unfit` tells why it cannot be what it should; empty while it can.
    """

    def __init__(self) -> None:
        self.unfit = ""
        self._bytes = bytearray(_FIRST_AT)
        self._count = 0

    def put_plain(self, mode: int, uid: int, gid: int, time: int, size: int = 0, data: int = 0) -> int:
        """Do what `put` does for an inode without extended attributes or target, as most are."""
        image = self._bytes
        number = len(image) >> _UNIT_BITS
        seconds, below = divmod(time, _SECOND)
        image += _INODE.pack(_FLAT, 0, mode, 0, size, data, number & _LOW_BITS, uid, gid, seconds, below, 1)
        self._count += 1
        return number

    def put(self, inode: Inode, target: bytes = b"", number: int | None = None) -> int:
        """Write an inode of one link, anew or in the place of a number; return its number.

        Only the root may grow in its place. `target` is that of a symbolic
        link, not given again if it has a block.
        """
        image = self._bytes
        xattrs = self._encoded(inode.xattrs) if inode.xattrs else b""
        length = _INODE.size + len(xattrs)
        form, block = _FLAT, inode.data
        is_inline = bool(target) and length + len(target) <= BLOCK
        if is_inline:
            form = _INLINE
            if number is None and len(image) % BLOCK + length + len(target) > BLOCK:
                self._pad(BLOCK)
        elif target:
            block = -(-(len(image) + length) // BLOCK)
        if number is None:
            number = len(image) >> _UNIT_BITS
            self._count += 1
        at = number << _UNIT_BITS
        if number == ROOT and at + length > _FIRST_AT:
            self.unfit = "the root has too many extended attributes"
            xattrs = b""
        units = (len(xattrs) - _XATTRS_HEADER) // 4 + 1 if xattrs else 0
        seconds, below = divmod(inode.time, _SECOND)
        encoded = _INODE.pack(
            *(form, units, inode.mode, 0, inode.size, block, number & _LOW_BITS),
            *(inode.uid, inode.gid, seconds, below, 1),
        )
        encoded += xattrs + target if is_inline else xattrs
        image[at : at + len(encoded)] = encoded
        self._pad(_UNIT)
        if target and not is_inline:
            self._pad(BLOCK)
            image += target
            self._pad(BLOCK)
        return number

    def read(self, number: int) -> Inode:
        """Return an inode that was put."""
        return read_inode(self._bytes, number << _UNIT_BITS)

    def size_of(self, number: int) -> int:
        """Return the size of an inode, 0 for a folder that has no entries yet."""
        size: int = _SIZE.unpack_from(self._bytes, (number << _UNIT_BITS) + _SIZE_AT)[0]
        return size

    def set_time(self, number: int, time: int) -> None:
        _TIME.pack_into(self._bytes, (number << _UNIT_BITS) + _TIME_AT, *divmod(time, _SECOND))

    def set_links(self, number: int, links: int) -> None:
        _LINKS.pack_into(self._bytes, (number << _UNIT_BITS) + _LINKS_AT, links)

    def put_entries(self, folder: int, entries: list[tuple[bytes, int]]) -> None:
        """Write the entries of a folder, names and numbers, with `.` and `..`. No inode may follow."""
        entries.sort()
        self._pad(BLOCK)
        start = len(self._bytes)
        first = used = 0
        for position, (name, _) in enumerate(entries):
            used += _ENTRY.size + len(name)
            if used > BLOCK:
                self._put_entry_block(entries[first:position])
                self._pad(BLOCK)
                first, used = position, _ENTRY.size + len(name)
        self._put_entry_block(entries[first:])
        size = len(self._bytes) - start
        _SIZE_AND_BLOCK.pack_into(self._bytes, (folder << _UNIT_BITS) + _SIZE_AT, size, start // BLOCK)

    def _put_entry_block(self, entries: Sequence[tuple[bytes, int]]) -> None:
        """Write the entries of one block, then their names."""
        image = self._bytes
        name_at = _ENTRY.size * len(entries)
        for name, number in entries:
            kind = _TYPES[image[(number << _UNIT_BITS) + _KIND_AT] >> 4]
            image += _ENTRY.pack(number, name_at, kind)
            name_at += len(name)
        for name, _ in entries:
            image += name

    def finish(self, blocks: int) -> bytearray:
        """Return the whole image, its other device of so many blocks."""
        # overlayfs tells its layers apart by their UUIDs, so this is a digest of the image.
        from hashlib import blake2b

        self._pad(BLOCK)
        image = self._bytes
        own_blocks = len(image) // BLOCK
        if own_blocks > DEVICE:
            self.unfit = f"its index is too large, {len(image)} bytes"
            return image
        _DEVICE.pack_into(image, _DEVICE_AT, blocks, DEVICE)
        uuid = blake2b(image, digest_size=16).digest()
        block_bits, slot = BLOCK.bit_length() - 1, _DEVICE_AT // _DEVICE.size
        _SUPERBLOCK.pack_into(
            image,
            _SUPERBLOCK_AT,
            *(_MAGIC, 0, _HAS_TIMES, block_bits, 0, ROOT, self._count, 0, 0, own_blocks, 0, 0),
            *(uuid, b"", _HAS_DEVICES, 0, 1, slot),
        )
        return image

    def _encoded(self, xattrs: Mapping[str, bytes]) -> bytes:
        encoded = bytes(_XATTRS_HEADER)
        for name in sorted(xattrs):
            namespace, _, rest = name.partition(".")
            suffix, value = rest.encode("utf-8", "surrogateescape"), xattrs[name]
            if len(value) > _VALUE_MAX:
                self.unfit = f"an extended attribute has {len(value)} bytes"
                return b""
            encoded += _XATTR.pack(len(suffix), _NUMBERS[namespace], len(value)) + suffix + value
            encoded += bytes(-len(encoded) % 4)
        if len(encoded) > _XATTRS_MAX:
            self.unfit = f"the extended attributes of a file have {len(encoded)} bytes"
            return b""
        return encoded

    def _pad(self, unit: int) -> None:
        if over := len(self._bytes) % unit:
            self._bytes += bytes(unit - over)


def place_of(number: int) -> int:
    """Return how many bytes before an inode the image has."""
    return number << _UNIT_BITS


def inode_size(start: bytes) -> int:
    """Return how many bytes an inode has with its extended attributes, by the first INODE_SIZE of them."""
    units: int = _INODE.unpack(start)[1]
    return INODE_SIZE + (_XATTRS_HEADER + 4 * (units - 1) if units else 0)


def read_inode(image: bytes | bytearray, at: int = 0) -> Inode:
    """Return the inode that begins `at` so many bytes, all of it being there."""
    _, units, mode, _, size, data, _, uid, gid, seconds, below, _ = _INODE.unpack_from(image, at)
    inode = Inode(mode, uid, gid, seconds * _SECOND + below, size, data)
    if not units:
        return inode
    xattrs = inode.xattrs = {}
    at += _INODE.size + _XATTRS_HEADER
    end = at + 4 * (units - 1)
    while at < end:
        length, namespace, size = _XATTR.unpack_from(image, at)
        value_at = at + _XATTR.size + length
        name = image[at + _XATTR.size : value_at].decode("utf-8", "surrogateescape")
        xattrs[_NAMESPACES[namespace] + name] = bytes(image[value_at : value_at + size])
        at = -(-(value_at + size) // 4) * 4
    return inode


def read_entries(block: bytes) -> dict[bytes, tuple[int, bool]]:
    """Return number and "is a character device" of what a folder's block has, by name, `.` and `..` too."""
    _, first, _ = _ENTRY.unpack_from(block)
    entries = list(_ENTRY.iter_unpack(block[:first]))
    ends = [*[name_at for _, name_at, _ in entries[1:]], len(block)]
    return {
        block[name_at:end].rstrip(b"\0"): (number, kind == _CHARACTER_DEVICE)
        for (number, name_at, kind), end in zip(entries, ends, strict=True)
    }
