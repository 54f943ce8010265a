from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ligan.errors import Invalid
from ligan.images.removal import NoSuchImage
from tests.support.stores import START

if TYPE_CHECKING:
    from tests.support.stores import Stock


def test_a_tag_moves_and_tells_when(stock: Stock) -> None:
    old, new = stock.image("a", names=["app:1"]), stock.image("b")
    stock.now += 7
    stock.engine.tag_image(new.short, "app:1")
    assert stock.names() == {"app:1": new}
    assert stock.dump()["name_history"] == [("docker.io/library/app:1", old, START + 7)]
    assert {row[0]: row[-2] for row in stock.dump()["image"]} == {old: None, new: START + 7}


def test_a_tag_again_changes_its_time_only(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    references = stock.dump()["reference"]
    stock.now += 7
    stock.engine.tag_image("app:1", "app:1")
    assert stock.dump()["reference"] == references
    assert stock.dump()["image"][0][-2] == START + 7
    assert stock.names() == {"app:1": image}


def test_a_tag_is_refused_without_a_trace(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    before = stock.dump()
    with pytest.raises(NoSuchImage, match=r"^No such image: nosuch:latest$"):
        stock.engine.tag_image("nosuch", "app:2")
    for name in ("New", "sha256", f"app@sha256:{'0' * 64}", ""):
        with pytest.raises(Invalid):
            stock.engine.tag_image("app:1", name)
    assert stock.dump() == before
