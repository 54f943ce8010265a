"""Laws of stacks: what is told of layers without mounting them is what the kernel's overlay shows."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ligan.errors import Corrupt
from ligan.layers.index_node import IndexNode
from ligan.layers.stack import FolderNode, Stack
from ligan.layers.unpack import unpack_layer
from tests.property.test_index_laws import entries
from tests.support.erofs import mounted, write_index
from tests.support.overlays import merged_view
from tests.support.tars import END, entry, opened
from tests.support.trees import check_same, outlines, outlines_of

if TYPE_CHECKING:
    from ligan.layers.stack import Node
    from tests.property.test_index_laws import Entry

stacks = st.lists(st.lists(entries, max_size=12), min_size=1, max_size=4)


def written(made: list[Entry], folder: str) -> str:
    """Make of these members, but for those that no layer can have, a tar and its index; return the folder."""
    os.mkdir(folder)
    tar = b""
    for member in made:
        if _can_be_indexed(tar + member.encoded() + END, folder):
            tar += member.encoded()
    assert _can_be_indexed(tar + END, folder)
    return folder


def _can_be_indexed(tar: bytes, folder: str) -> bool:
    with open(f"{folder}/tar", "wb") as file:
        file.write(tar)
    with open(f"{folder}/tar", "rb") as layer, open(f"{folder}/index", "wb") as index:
        try:
            write_index(layer.fileno(), index)
        except Corrupt:
            return False
    return True


@pytest.mark.root
@settings(max_examples=60)
@given(stacks)
def test_stack_of_indexes_is_what_overlay_shows_of_them(layers: list[list[Entry]]) -> None:
    with TemporaryDirectory() as top, ExitStack() as stack:
        folders = [written(made, f"{top}/{number}") for number, made in enumerate(layers)]
        places = [
            stack.enter_context(mounted(f"{folder}/index", f"{folder}/tar", f"{folder}/mount"))
            for folder in folders
        ]
        files = [stack.enter_context(open(f"{folder}/index", "rb")) for folder in folders]
        _check(top, places, Stack([IndexNode(file.fileno()) for file in files]))


@pytest.mark.root
@settings(max_examples=60)
@given(stacks)
def test_stack_of_unpacked_layers_is_what_overlay_shows_of_them(layers: list[list[Entry]]) -> None:
    with TemporaryDirectory() as top:
        places = []
        for number, made in enumerate(layers):
            folder = written(made, f"{top}/{number}")
            places.append(f"{folder}/unpacked")
            os.mkdir(places[-1])
            with open(f"{folder}/tar", "rb") as layer:
                unpack_layer(layer.fileno(), places[-1])
        _check(top, places, Stack([FolderNode(place) for place in places]))


@pytest.mark.root
@settings(max_examples=60)
@given(stacks, st.data())
def test_stack_of_both_is_what_overlay_shows_of_them(layers: list[list[Entry]], data: st.DataObject) -> None:
    with TemporaryDirectory() as top, ExitStack() as stack:
        places: list[str] = []
        roots: list[Node] = []
        for number, made in enumerate(layers):
            folder = written(made, f"{top}/{number}")
            if data.draw(st.booleans()):
                places.append(
                    stack.enter_context(mounted(f"{folder}/index", f"{folder}/tar", f"{folder}/mount"))
                )
                roots.append(IndexNode(stack.enter_context(open(f"{folder}/index", "rb")).fileno()))
                continue
            places.append(f"{folder}/unpacked")
            os.mkdir(places[-1])
            with open(f"{folder}/tar", "rb") as layer:
                unpack_layer(layer.fileno(), places[-1])
            roots.append(FolderNode(places[-1]))
        _check(top, places, Stack(roots))


names = st.binary(min_size=1, max_size=80) | st.binary(min_size=240, max_size=255)
folders = st.sets(
    names.filter(lambda name: name not in (b".", b"..") and not name.startswith(b".wh.")).filter(
        lambda name: b"/" not in name and b"\0" not in name
    ),
    max_size=150,
)


@given(folders, folders)
@example({b"a" * 255, b"b" * 206}, {b"b" * 205, b"b" * 207})  # with . and .. they fill one block to its end
@example({b"a" * 255, b"b" * 206, b"c", b"\xff"}, {b"bb", b"d"})
def test_each_name_of_a_large_folder_is_found_and_no_other(there: set[bytes], sought: set[bytes]) -> None:
    with TemporaryDirectory() as top:
        with open(f"{top}/tar", "wb") as file:
            file.write(b"".join(b"".join([_long_name(name), entry("f")]) for name in there) + END)
        with open(f"{top}/tar", "rb") as tar, open(f"{top}/index", "w+b") as index:
            write_index(tar.fileno(), index)
            index.flush()
            root = IndexNode(index.fileno())
            assert root.names() == {os.fsdecode(name): False for name in there}
            for name in there | sought:
                # Another one each time, to which no block is known yet.
                found = IndexNode(index.fileno()).find(os.fsdecode(name))
                assert (found is not None) == (name in there) == (root.find(os.fsdecode(name)) is not None)


def _long_name(name: bytes) -> bytes:
    """Return GNU tar's record of the next member's name."""
    return entry("././@LongLink", b"L", len(name) + 1, data=name + b"\0")


def _check(top: str, places: list[str], stack: Stack) -> None:
    os.mkdir(f"{top}/empty")
    with merged_view(":".join([*places, f"{top}/empty"]), f"{top}/merged") as merged:
        shown = outlines(merged)
        check_same(outlines_of(stack), shown)
        for path in shown:  # in an order of its own, and not that of a walk
            assert stack.find(path).status.st_mode == shown[path][0]
            with pytest.raises(FileNotFoundError):
                stack.find(f"{path}/no such name")
            folder, _, name = path.rpartition("/")
            assert stack.names_among(folder, [name, "no such name"]) == {name}


@settings(max_examples=300)
@given(st.lists(entries, min_size=1, max_size=8), st.data())
def test_damaged_index_is_an_error_and_nothing_worse(made: list[Entry], data: st.DataObject) -> None:
    with TemporaryDirectory() as top:
        with open(f"{written(made, f'{top}/layer')}/index", "rb") as file:
            index = bytearray(file.read())
        for _ in range(data.draw(st.integers(1, 20))):
            index[data.draw(st.integers(0, len(index) - 1))] = data.draw(st.integers(0, 255))
    del index[data.draw(st.integers(0, len(index))) :]
    with opened(bytes(index)) as file, suppress(Corrupt):
        outlines_of(Stack([IndexNode(file)]))
