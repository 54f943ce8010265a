"""system df: engine 20.10's sums, but that only what a prune could free is reclaimable."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.stores import Stock


def test_an_empty_store_uses_nothing(stock: Stock) -> None:
    usage = stock.engine.disk_usage()
    assert (usage.images, usage.active_images, usage.layers_size, usage.reclaimable) == (0, 0, 0, 0)
    assert stock.engine.image_usage() == []


def test_layers_of_listed_images_count_once(stock: Stock) -> None:
    base = stock.image("1", "22")
    stock.image("1", "22", "333", parent=base, names=["app:1"])
    stock.image("1", "22", "4444", parent=base)
    usage = stock.engine.disk_usage()
    assert (usage.images, usage.layers_size, usage.reclaimable) == (2, 10, 10)
    assert usage.blob_bytes == stock.disk_bytes()


def test_layers_of_images_that_are_not_listed_do_not_count(stock: Stock) -> None:
    base = stock.image("1", "55555")
    stock.image("1", "22", parent=base, names=["app:1"])
    usage = stock.engine.disk_usage()
    assert (usage.images, usage.layers_size, usage.reclaimable) == (1, 3, 3)


def test_shared_layers_are_those_of_another_listed_image(stock: Stock) -> None:
    base = stock.image("1", "22")
    one = stock.image("1", "22", "333", parent=base, step="one")
    assert [row.shared_size for row in stock.engine.image_usage()] == [0]
    two = stock.image("1", "22", "333", parent=base, step="two")
    three = stock.image("1", "4444")
    shared = {row.image.id: row.shared_size for row in stock.engine.image_usage()}
    assert shared == {one: 6, two: 6, three: 1}


def test_what_an_image_in_use_shares_is_not_reclaimable(stock: Stock) -> None:
    used = stock.image("1", "22", names=["app:1"])
    stock.image("1", "333", names=["app:2"])
    stock.container(used, "c1")
    stock.container(used, "c2", "running")
    usage = stock.engine.disk_usage()
    assert (usage.images, usage.active_images, usage.layers_size, usage.reclaimable) == (2, 1, 6, 3)
    assert {row.image.tags: row.containers for row in stock.engine.image_usage()} == {
        ("app:1",): 2,
        ("app:2",): 0,
    }


def test_what_undo_holds_is_told_apart(stock: Stock) -> None:
    stock.image("1", "22", names=["app:1"])
    stock.engine.remove_images(["app:1"])
    usage = stock.engine.disk_usage()
    assert (usage.images, usage.layers_size) == (0, 0)
    assert usage.undo_bytes == usage.blob_bytes == stock.disk_bytes() > 0
