"""Trees of layers, seen in three ways: an index parsed, a folder walked, a mount of an index walked."""

from __future__ import annotations

import ctypes
import hashlib
import os
import stat
import struct
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from ligan.layers.erofs import Index
from ligan.layers.scan import scan_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Tree = dict[bytes, "Node"]
    """Nodes by their paths; b"" is the root."""

BLOCK = 512


def write_index(tar: int, out: BinaryIO) -> int:
    """Write the index of the layer tar in an open file to `out`; return its size in bytes."""
    index = Index(os.fstat(tar).st_size)
    scan_layer(tar, inodes=index)
    return out.write(index.finish())


@dataclass(frozen=True)
class Node:
    """One inode. `content` is that of a file or the target of a symlink; `names` all of its paths."""

    mode: int
    uid: int
    gid: int
    time: int
    links: int
    device: int = 0
    content: bytes = b""
    xattrs: dict[str, bytes] = field(default_factory=dict)
    names: frozenset[bytes] = frozenset()


def with_names(nodes: dict[bytes, tuple[int, Node]]) -> Tree:
    """Return a tree of numbered nodes, in which each knows its paths."""
    paths: dict[int, set[bytes]] = {}
    for path, (number, _) in nodes.items():
        paths.setdefault(number, set()).add(path)
    names = {number: frozenset(found) for number, found in paths.items()}
    return {path: replace(node, names=names[number]) for path, (number, node) in nodes.items()}


def walked(root: str) -> Tree:
    """Return the tree of a folder."""
    nodes: dict[bytes, tuple[int, Node]] = {}
    todo = [b""]
    while todo:
        path = todo.pop()
        name = os.path.join(os.fsencode(root), path)
        found = os.lstat(name)
        content = b""
        if stat.S_ISDIR(found.st_mode):
            todo += [os.path.join(path, entry) for entry in os.listdir(name)]
        elif stat.S_ISREG(found.st_mode):
            with open(name, "rb") as file:
                content = digest(file.read())
        elif stat.S_ISLNK(found.st_mode):
            content = os.readlink(name)
        xattrs = {
            key: os.getxattr(name, key, follow_symlinks=False)
            for key in os.listxattr(name, follow_symlinks=False)
        }
        nodes[path] = (
            found.st_ino,
            Node(
                found.st_mode,
                found.st_uid,
                found.st_gid,
                found.st_mtime_ns,
                found.st_nlink,
                found.st_rdev,
                content,
                xattrs,
            ),
        )
    return with_names(nodes)


def digest(content: bytes) -> bytes:
    """Return a short stand-in of a long content; a short one stands for itself."""
    return content if len(content) < 100 else hashlib.sha256(content).digest()


def parsed(image: bytes, tar: bytes, shorten: Callable[[bytes], bytes] = digest) -> Tree:
    """Return the tree of an EROFS image whose data lies in a tar, read by the format's definition."""
    return with_names(_Reader(image, tar, shorten).nodes())


class _Reader:
    def __init__(self, image: bytes, tar: bytes, shorten: Callable[[bytes], bytes]) -> None:
        self.shorten = shorten
        self.image = image
        self.tar = tar
        magic, checksum, compatible, bits, extensions, self.root, self.inodes = struct.unpack_from(
            "<IIIBBHQ", image, 1024
        )
        blocks, meta, xattrs = struct.unpack_from("<III", image, 1024 + 36)
        incompatible, _, devices, slot = struct.unpack_from("<IHHH", image, 1024 + 80)
        assert (magic, checksum, compatible, bits, extensions) == (0xE0F5E1E2, 0, 2, 9, 0)
        assert (blocks * BLOCK, meta, xattrs) == (len(image), 0, 0)
        assert (incompatible, devices) == (8, 1)
        self.device_blocks, self.device = struct.unpack_from("<II", image, slot * 128 + 64)
        assert self.device >= blocks
        assert self.device_blocks * BLOCK == len(tar)

    def nodes(self) -> dict[bytes, tuple[int, Node]]:
        nodes: dict[bytes, tuple[int, Node]] = {}
        counted: dict[int, int] = {}
        todo = [(b"", self.root, self.root)]
        while todo:
            path, number, parent = todo.pop()
            node, data = self.inode(number)
            nodes[path] = number, node
            counted[number] = counted.get(number, 0) + 1
            if not stat.S_ISDIR(node.mode):
                continue
            entries = self.entries(data)
            assert (entries.pop(b"."), entries.pop(b"..")) == ((number, 2), (parent, 2))
            below = [(name, child, kind) for name, (child, kind) in entries.items()]
            assert node.links == 2 + sum(kind == 2 for _, _, kind in below)
            for name, child, kind in below:
                child_mode = struct.unpack_from("<H", self.image, child * 32 + 4)[0]
                assert kind == {1: 5, 2: 3, 4: 2, 6: 4, 8: 1, 10: 7}[child_mode >> 12]
                todo.append((os.path.join(path, name), child, number))
        for number, node in nodes.values():
            assert stat.S_ISDIR(node.mode) or node.links == counted[number]
        return nodes

    def inode(self, number: int) -> tuple[Node, bytes]:
        """Return an inode and its data."""
        at = number * 32
        form, units, mode, high, size, where, _, uid, gid, seconds, below, links = struct.unpack_from(
            "<HHHHQIIIIqII", self.image, at
        )
        assert form in (1, 5)
        assert high == 0
        assert 0 <= below < 10**9
        at += 64
        xattrs, at = self.xattrs(at, units)
        kind = stat.S_IFMT(mode)
        content = data = b""
        if kind == stat.S_IFDIR or (kind == stat.S_IFLNK and form == 1):
            assert (where * BLOCK + size) <= len(self.image)
            data = self.image[where * BLOCK : where * BLOCK + size]
        elif kind == stat.S_IFLNK:
            assert number * 32 // BLOCK == (at + size - 1) // BLOCK
            data = self.image[at : at + size]
        elif kind == stat.S_IFREG and size:
            start = (where - self.device) * BLOCK
            assert start >= 0
            assert start + size <= len(self.tar)
            data = self.tar[start : start + size]
        if kind != stat.S_IFDIR:
            content = data if kind == stat.S_IFLNK else self.shorten(data)
        device = where if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0
        return Node(mode, uid, gid, seconds * 10**9 + below, links, device, content, xattrs), data

    def xattrs(self, at: int, units: int) -> tuple[dict[str, bytes], int]:
        """Return the extended attributes at a place, and the place behind them."""
        if not units:
            return {}, at
        found: dict[str, bytes] = {}
        end = at + 12 + 4 * (units - 1)
        assert self.image[at : at + 12] == bytes(12)
        at += 12
        while at < end:
            length, namespace, size = struct.unpack_from("<BBH", self.image, at)
            name = self.image[at + 4 : at + 4 + length].decode("utf-8", "surrogateescape")
            key = {1: "user.", 4: "trusted.", 6: "security."}[namespace] + name
            assert key not in found
            found[key] = self.image[at + 4 + length : at + 4 + length + size]
            at += (4 + length + size + 3) // 4 * 4
        assert at == end
        return found, end

    def entries(self, data: bytes) -> dict[bytes, tuple[int, int]]:
        """Return a folder's entries, as the kernel's binary search can find them."""
        found: dict[bytes, tuple[int, int]] = {}
        last = b""
        for start in range(0, len(data), BLOCK):
            block = data[start : start + BLOCK]
            count, rest = divmod(struct.unpack_from("<H", block, 8)[0], 12)
            assert rest == 0
            heads = [struct.unpack_from("<QHBx", block, 12 * n) for n in range(count)]
            ends = [head[1] for head in heads[1:]] + [len(block)]
            for (number, name_at, kind), end in zip(heads, ends, strict=True):
                name = block[name_at:end].rstrip(b"\0")
                assert 0 < len(name) <= 255
                assert last < name
                found[name] = number, kind
                last = name
        return found


@contextmanager
def mounted(index: str, tar: str, folder: str) -> Iterator[str]:
    """Mount an index on a new folder; skip the test where the kernel cannot mount files."""
    import pytest

    libc = ctypes.CDLL(None, use_errno=True)
    os.mkdir(folder)
    options = f"device={tar}".encode()
    if libc.mount(index.encode(), folder.encode(), b"erofs", 1, options):
        code = ctypes.get_errno()
        pytest.skip(f"this kernel does not mount erofs from files of this file system: {os.strerror(code)}")
    try:
        yield folder
    finally:
        assert libc.umount2(folder.encode(), 0) == 0


def differences(mine: dict[Any, Any], theirs: dict[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    """Return what is not the same, for people to read."""
    return {
        path: (mine.get(path), theirs.get(path))
        for path in sorted(mine.keys() | theirs.keys())
        if mine.get(path) != theirs.get(path)
    }
