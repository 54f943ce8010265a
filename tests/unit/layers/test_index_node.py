from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Unavailable
from ligan.layers.diff import overlay_changes
from ligan.layers.index_node import IndexNode
from ligan.layers.stack import Stack
from tests.support.erofs import write_index
from tests.support.tars import END, entry, folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = 5000


@pytest.fixture
def index(tmp_path: Path) -> Iterator[int]:
    """An index of a layer with many names in one folder."""
    files = [entry(f"many/{number:05}") for number in range(MANY)]
    (tmp_path / "tar").write_bytes(folder("many") + b"".join(files) + END)
    with open(tmp_path / "tar", "rb") as tar, open(tmp_path / "index", "w+b") as made:
        write_index(tar.fileno(), made)
        made.flush()
        yield made.fileno()


def test_one_name_of_many_is_told_of_by_a_few_reads(
    index: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "upper" / "many").mkdir(parents=True)
    (tmp_path / "upper" / "many" / "02500").write_text("more")
    (tmp_path / "upper" / "many" / "new").write_text("new")
    places: list[int] = []
    read = os.pread

    def counted(file: int, size: int, at: int) -> bytes:
        places.append(at)
        return read(file, size, at)

    monkeypatch.setattr(os, "pread", counted)
    changes = overlay_changes(os.fspath(tmp_path / "upper"), Stack([IndexNode(index)]))
    assert changes == {"/many": "C", "/many/02500": "C", "/many/new": "A"}
    assert len(places) < 40


def test_what_cannot_be_read_is_an_error_that_names_the_index(tmp_path: Path) -> None:
    unreadable = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(Unavailable, match=f"cannot use {tmp_path}: is a directory"):
            IndexNode(unreadable)
    finally:
        os.close(unreadable)
