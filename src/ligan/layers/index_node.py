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

_DAMAGED = (struct.error, KeyError, OverflowError, ValueError)
"""What comes of reading as an index what is none."""

_SECOND = 1_000_000_000


class IndexNode:
    """A Node (`ligan.layers.stack`) of a layer whose index is open. Raises Corrupt where that is damaged."""

    def __init__(self, index: int, number: int = ROOT) -> None:
        self._index = index
        self._known: dict[str, tuple[int, bool]] = {}
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
            name: is_device and is_whiteout(IndexNode(self._index, number).status)
            for name, (number, is_device) in self._entries().items()
        }

    def find(self, name: str) -> IndexNode | None:
        entry = self._entries().get(name)
        return IndexNode(self._index, entry[0]) if entry else None

    def _entries(self) -> dict[str, tuple[int, bool]]:
        """Return number, and whether it is a character device, of all that is in the folder."""
        if not self._known:
            at, left = self._inode.data * BLOCK, self._inode.size
            try:
                while left > 0:
                    block = _read(self._index, at, min(left, BLOCK))
                    for name, number, is_device in read_entries(block):
                        self._known[os.fsdecode(name)] = number, is_device
                    at, left = at + BLOCK, left - BLOCK
                del self._known["."], self._known[".."]
            except _DAMAGED:
                raise _corrupt() from None
        return self._known


def _read(index: int, at: int, size: int) -> bytes:
    data = os.pread(index, size, at)
    if len(data) < size:
        raise _corrupt()
    return data


def _corrupt() -> Corrupt:
    return Corrupt("the index of a layer is damaged", "See which with `ligan fsck`.")
