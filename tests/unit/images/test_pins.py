from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ligan.errors import Invalid, NotFound
from ligan.images.removal import NoSuchImage
from tests.support.stores import START

if TYPE_CHECKING:
    from tests.support.stores import Stock


@pytest.mark.parametrize("target", ["app", "app:latest", "docker.io/library/app", "library/app:latest"])
def test_a_pinned_name_is_kept_as_docker_shows_it(stock: Stock, target: str) -> None:
    stock.image("a", names=["app", "app:2"])
    assert stock.engine.pin(target, "prod") == "app:latest"
    (pin,) = stock.engine.pins()
    assert (pin.pattern, pin.reason, pin.since) == ("app:latest", "prod", START)
    assert stock.engine.remove_images(["app"], force=True).arguments[0].error
    assert not stock.engine.remove_images(["app:2"]).arguments[0].error
    stock.engine.unpin(target)
    assert stock.engine.pins() == []


def test_an_image_is_pinned_by_a_short_id(stock: Stock) -> None:
    image = stock.image("a", names=["app:1", "app:2"])
    assert stock.engine.pin(image.short) == image
    assert stock.engine.remove_images(["app:1"]).arguments[0].error
    stock.engine.unpin(image.short)
    assert not stock.engine.remove_images(["app:1"]).arguments[0].error


def test_an_unpin_by_any_name_of_the_image_finds_its_pin(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    stock.engine.pin(image)
    stock.engine.unpin("app:1")
    assert stock.engine.pins() == []


def test_a_glob_pins_names_that_come_later(stock: Stock) -> None:
    assert stock.engine.pin("app:*") == "app:*"
    image = stock.image("a", names=["app:1"])
    assert stock.engine.remove_images([image], force=True).arguments[0].error
    stock.engine.unpin("app:*")
    assert not stock.engine.remove_images([image]).arguments[0].error


def test_a_pin_given_again_changes_its_reason(stock: Stock) -> None:
    stock.engine.pin("app:*", "one")
    stock.now += 1
    stock.engine.pin("app:*", "two")
    assert [(pin.reason, pin.since) for pin in stock.engine.pins()] == [("two", START)]


@pytest.mark.parametrize("target", ["app:1", "Bad", "0123456789ab"])
def test_only_a_glob_pins_what_is_not_there(stock: Stock, target: str) -> None:
    with pytest.raises(NoSuchImage) as refused:
        stock.engine.pin(target)
    assert "glob" in refused.value.hint
    with pytest.raises(Invalid):
        stock.engine.pin("")


@pytest.mark.parametrize("pattern", ["app:1", "web:*", "Bad", ""])
def test_an_unpin_of_nothing_is_told(stock: Stock, pattern: str) -> None:
    stock.image("a", names=["app:1"])
    with pytest.raises(NotFound, match=r"^No such pin: "):
        stock.engine.unpin(pattern)


def test_a_prune_keeps_what_is_pinned(stock: Stock) -> None:
    image = stock.image("a")
    stock.engine.pin(image)
    assert not stock.engine.prune_images({}).rows
