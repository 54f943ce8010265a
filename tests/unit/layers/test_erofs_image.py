"""Images written and read back, by the writer itself and by the reader of the tests."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from ligan.layers.erofs_image import BLOCK, DEVICE, ROOT, Image, Inode
from tests.support.erofs import parsed

if TYPE_CHECKING:
    from tests.support.erofs import Tree

FILE, LINK, FOLDER = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777, stat.S_IFDIR | 0o755


def begun() -> Image:
    image = Image()
    image.put(Inode(FOLDER, 0, 0, 0), number=ROOT)
    return image


def finished(image: Image, entries: list[tuple[bytes, int]]) -> bytearray:
    """Return the image with these entries in its root, which make up its device of one block."""
    image.put_entries(ROOT, [(b".", ROOT), (b"..", ROOT), *entries])
    image.set_links(ROOT, 2)
    return image.finish(1)


def tree_of(image: Image, entries: list[tuple[bytes, int]]) -> Tree:
    return parsed(bytes(finished(image, entries)), bytes(BLOCK))


@pytest.mark.parametrize(
    "inode",
    [
        Inode(FILE, 1, 2, 3, 4, DEVICE),
        Inode(stat.S_IFCHR | 0o7777, (1 << 32) - 2, (1 << 32) - 2, (1 << 63) - 1, 0, (1 << 32) - 1),
        Inode(LINK, 0, 0, -1, 3),
    ],
)
@pytest.mark.parametrize(
    "xattrs", [{}, {"user.a": b""}, {"security.b\udcff": b"\0" * 5000, "trusted.": b"x"}]
)
def test_inode_is_read_as_it_was_put(inode: Inode, xattrs: dict[str, bytes]) -> None:
    image = begun()
    inode.xattrs = xattrs
    number = image.put(inode)
    after = image.put_plain(FILE, 0, 0, 0)
    read = image.read(number)
    assert [getattr(read, name) for name in Inode.__slots__] == [
        getattr(inode, name) for name in Inode.__slots__
    ]
    assert image.size_of(number) == inode.size
    assert after > number


def test_plain_inode_is_the_same_as_one_without_attributes() -> None:
    one, other = begun(), begun()
    assert one.put(Inode(FILE, 1, 2, 3, 4, 5)) == other.put_plain(FILE, 1, 2, 3, 4, 5)
    assert one.finish(1) == other.finish(1)


def test_target_is_in_the_block_of_its_inode_or_in_its_own() -> None:
    image, entries = begun(), []
    for length in [*range(1, 460), 511, 512, 513, 4095]:
        inode = Inode(LINK, 0, 0, 0, length)
        inode.xattrs = {"user.a": b"x" * (length % 7)} if length % 3 else {}
        entries.append((b"%d" % length, image.put(inode, b"t" * length)))
    # The reader asserts the first half of this test's name.
    tree = tree_of(image, entries)
    assert {int(path): len(node.content) for path, node in tree.items() if path} == {
        length: length for length in [*range(1, 460), 511, 512, 513, 4095]
    }


def test_target_with_a_block_stays_there_when_its_inode_moves() -> None:
    image = begun()
    inode = Inode(LINK, 0, 0, 0, 600)
    inode = image.read(image.put(inode, b"t" * 600))
    inode.xattrs = {"user.a": b"1"}
    node = tree_of(image, [(b"s", image.put(inode))])[b"s"]
    assert (node.content, node.xattrs) == (b"t" * 600, inode.xattrs)


@pytest.mark.parametrize(("length", "blocks"), [(205, 1), (206, 1), (207, 2), (208, 2)])
def test_entries_fill_a_block_to_its_last_byte(length: int, blocks: int) -> None:
    def with_names(*names: bytes) -> bytes:
        image = begun()
        return bytes(finished(image, [(name, image.put_plain(FILE, 0, 0, 0)) for name in names]))

    names = b"a" * 255, b"b" * length
    image = with_names(*names)
    assert len(image) - len(with_names(b"a", b"b")) == (blocks - 1) * BLOCK
    assert set(parsed(image, bytes(BLOCK))) == {b"", *names}


def test_root_keeps_its_place_while_it_has_room() -> None:
    image = begun()
    image.put_plain(FILE, 0, 0, 0)
    root = Inode(FOLDER, 0, 0, 0)
    root.xattrs = {"user.a": b"x" * 680}
    assert image.put(root, number=ROOT) == ROOT
    assert not image.unfit
    assert tree_of(image, [])[b""].xattrs == root.xattrs
    root.xattrs = {"user.a": b"x" * 690}
    image.put(root, number=ROOT)
    assert "the root" in image.unfit
