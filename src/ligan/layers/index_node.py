"""What the index of a layer tells of the layer's tree, read without mounting it.

It is read by calls, never mapped: a bad disk is then an error, and no signal that ends the process.
"""

from __future__ import annotations

import os
import stat
import struct

from ligan.errors import Corrupt
from ligan.layers.attributes import CAPABILITY, is_whiteout
from ligan.layers.erofs_image import (
    BLOCK,
    INODE_SIZE,
    OPAQUE,
    ROOT,
    inode_size,
    place_of,
    read_entries,
    read_inode,
)
from ligan.store.db import explain

_DAMAGED = (struct.error, KeyError, OverflowError, ValueError)
"""What comes of reading as an index what is none."""

_SECOND = 1_000_000_000


class IndexNode:
    """A Node (`ligan.layers.stack`) of a layer whose index is open.

    Raises Corrupt for an index that is damaged, Unavailable for one that cannot be read.
    """

    def __init__(self, index: int, number: int = ROOT) -> None:
        self._index = index
        self._known: dict[int, dict[bytes, tuple[int, bool]]] = {}
        at = place_of(number)
        try:
            start = _read(index, at, INODE_SIZE)
            size = inode_size(start)
            self._inode = read_inode(start if size == INODE_SIZE else _read(index, at, size))
        except _DAMAGED:
            raise _corrupt() from None

    @property
    def status(self) -> os.stat_result:
        inode = self._inode
        device = 0
        if stat.S_ISCHR(inode.mode) or stat.S_ISBLK(inode.mode):
            device = os.makedev(inode.data >> 8 & 0xFFF, inode.data & 0xFF | inode.data >> 12 & 0xFFF00)
        known = (inode.mode, 0, 0, 1, inode.uid, inode.gid, inode.size, 0, inode.time // _SECOND, 0)
        return os.stat_result(known, {"st_mtime_ns": inode.time, "st_rdev": device})

    @property
    def capability(self) -> bytes:
        return self._inode.xattrs.get(CAPABILITY, b"")

    @property
    def is_opaque(self) -> bool:
        return self._inode.xattrs.get(OPAQUE) == b"y"

    def names(self) -> dict[str, bool]:
        return {
            os.fsdecode(name): is_device and is_whiteout(IndexNode(self._index, number).status)
            for block in range(self._blocks)
            for name, (number, is_device) in self._entries(block).items()
            if name not in (b".", b"..")
        }

    def find(self, name: str) -> IndexNode | None:
        wanted = os.fsencode(name)
        # The names are in order, by their bytes: the block is the last one whose first name is not above.
        first, last = 0, self._blocks - 1
        while first < last:
            middle = (first + last + 1) // 2
            if next(iter(self._entries(middle))) <= wanted:
                first = middle
            else:
                last = middle - 1
        entry = self._entries(first).get(wanted)
        return IndexNode(self._index, entry[0]) if entry else None

    @property
    def _blocks(self) -> int:
        return -(-self._inode.size // BLOCK)

    def _entries(self, block: int) -> dict[bytes, tuple[int, bool]]:
        """Return number, and whether it is a character device, of what is in a block of the folder."""
        known = self._known.get(block)
        if known is None:
            before = block * BLOCK
            size = min(self._inode.size - before, BLOCK)
            try:
                known = read_entries(_read(self._index, self._inode.data * BLOCK + before, size))
            except _DAMAGED:
                raise _corrupt() from None
            self._known[block] = known
        return known


def _read(index: int, at: int, size: int) -> bytes:
    try:
        data = os.pread(index, size, at)
    except OSError as error:
        raise explain(error, os.readlink(f"/proc/self/fd/{index}")) from error
    if len(data) < size:
        raise _corrupt()
    return data


def _corrupt() -> Corrupt:
    return Corrupt("the index of a layer is damaged", "See which with `ligan fsck`.")
