from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Invalid, NotFound
from ligan.store.reclaim import empty_trash, held_by_undo, release_blob, release_layer
from tests.support import archives

if TYPE_CHECKING:
    from ligan.oci.digest import ImageID
    from tests.support.stores import Stock

TAR = archives.layer({"file": b"shared"})


def held(stock: Stock) -> int:
    with stock.store.database.read() as tx:
        return held_by_undo(tx)


def config_size(stock: Stock, image: ImageID) -> int:
    return os.stat(stock.store.layout.blob(image)).st_size


def test_what_is_held_is_not_released(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    row = stock.row(image)
    with stock.store.database.write() as tx:
        assert release_blob(tx, stock.store.layout, row.config) == 0
        assert release_layer(tx, stock.store.layout, row.layer) == 0
        assert release_layer(tx, stock.store.layout, None) == 0
    assert image in stock.images()


def test_equal_layers_on_different_parents_share_one_file(stock: Stock) -> None:
    stock.image("one", TAR, names=["app:1"])
    other = stock.image("two", TAR, names=["app:2"])
    before = stock.disk_bytes()
    assert stock.engine.remove_images(["app:1"], now=True).report.freed == before - stock.disk_bytes()
    assert stock.disk_bytes() == 2 * len(TAR) + config_size(stock, other)
    stock.engine.remove_images(["app:2"], now=True)
    assert stock.disk_bytes() == 0


def test_several_images_on_one_layer_release_it_once(stock: Stock) -> None:
    base = stock.image("a", step="FROM")
    stock.image("a", step="ENV", parent=base, names=["app:1"])
    report = stock.engine.remove_images(["app:1"], now=True).report
    assert report.freed > 0
    assert stock.disk_bytes() == 0


def test_compressed_forms_go_with_the_last_layer_of_their_content(stock: Stock) -> None:
    stock.image("one", TAR, names=["app:1"])
    other = stock.image(TAR, names=["app:2"])
    stock.compressed(TAR, b"compressed")
    stock.engine.remove_images(["app:1"])
    assert stock.disk_bytes() - held(stock) == len(TAR) + len(b"compressed") + config_size(stock, other)
    stock.engine.remove_images(["app:2"])
    assert held(stock) == stock.disk_bytes()
    assert stock.engine.reclaim(drop_all=True) > 10
    assert stock.disk_bytes() == 0


def test_a_layer_of_no_bytes_leaves_nothing_behind(stock: Stock) -> None:
    stock.image(b"", names=["app:1"])
    stock.engine.remove_images(["app:1"], now=True)
    assert stock.disk_bytes() == 0


def test_entries_on_the_same_bytes_free_them_with_the_last(stock: Stock) -> None:
    for _ in range(2):
        stock.image("a", names=["app:1"])
        stock.engine.remove_images(["app:1"])
    first, second = (entry.key for entry in reversed(stock.engine.undo_entries()))
    total = stock.disk_bytes()
    assert [entry.bytes for entry in stock.engine.undo_entries()] == [0, 0]
    assert held(stock) == total
    assert stock.engine.reclaim([first]) == 0
    assert stock.engine.reclaim([second]) == total


def test_reclaim_without_arguments_drops_what_is_due(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    stock.engine.remove_images(["app:1"])
    assert stock.engine.reclaim() == 0
    stock.now += stock.store.policy.window
    assert stock.engine.reclaim() > 0


def test_reclaim_refuses_an_entry_that_is_not_there_and_drops_none(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    stock.engine.remove_images(["app:1"])
    (entry,) = stock.engine.undo_entries()
    with pytest.raises(NotFound, match="No such undo entry: 99"):
        stock.engine.reclaim([entry.key, 99])
    with pytest.raises(Invalid):
        stock.engine.reclaim([entry.key], drop_all=True)
    assert stock.engine.undo_entries() == [entry]


def test_former_names_go_with_the_last_bytes_of_an_image(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    stock.engine.remove_images(["app:1"])
    assert [row[1] for row in stock.dump()["name_history"]] == [image]
    stock.engine.reclaim(drop_all=True)
    assert stock.dump()["name_history"] == []


def test_every_file_is_tried_before_the_first_failure_is_told(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    trash = stock.store.layout.trash
    for name in ("1", "2", "3"):
        with open(f"{trash}/{name}", "wb"):
            pass
    unlink = os.unlink

    def refuse_the_second(path: str) -> None:
        if path.endswith("/2"):
            raise PermissionError(errno.EPERM, "operation not permitted", path)
        unlink(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse_the_second)
        with pytest.raises(PermissionError):
            empty_trash(stock.store.layout)
    assert os.listdir(trash) == ["2"]
    empty_trash(stock.store.layout)
    assert os.listdir(trash) == []
