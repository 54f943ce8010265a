"""What a prune looks at (golden f_prune_df)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Invalid
from ligan.images.selection import prune_candidates
from tests.support.stores import HOUR, SECOND, START

if TYPE_CHECKING:
    from tests.support.stores import Stock


def selected(stock: Stock, filters: dict[str, list[str]]) -> list[str]:
    """Return the names of the candidates, newest first."""
    with stock.store.database.read() as tx:
        images, _dangling = prune_candidates(tx, filters, stock.now)
    names = {image: name for name, image in stock.names().items()}
    return [names[image] for image in images]


@pytest.fixture
def labelled(stock: Stock) -> Stock:
    for number, labels in enumerate([None, {}, {"keep": "yes"}, {"keep": "no", "n": "1"}]):
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START // SECOND - 3600 * number))
        stock.image(names=[f"p:{number}"], step=str(number), labels=labels, created=created)
    return stock


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["p:0", "p:1", "p:2", "p:3"]),
        ({"label": ["keep"]}, ["p:2", "p:3"]),
        ({"label": ["keep=yes"]}, ["p:2"]),
        ({"label": ["keep", "n"]}, ["p:3"]),
        ({"label!": ["keep"]}, ["p:0", "p:1"]),
        ({"label!": ["keep", "n"]}, ["p:0", "p:1", "p:2"]),
        ({"label": ["keep"], "label!": ["keep=no"]}, ["p:2"]),
        ({"until": ["2h"]}, ["p:2", "p:3"]),
        ({"until": [str(START // SECOND)]}, ["p:0", "p:1", "p:2", "p:3"]),
        ({"until": ["2020-01-01"]}, []),
    ],
)
def test_filters_select(labelled: Stock, filters: dict[str, list[str]], names: list[str]) -> None:
    assert selected(labelled, filters) == names


def test_an_untagged_image_with_children_is_no_candidate(stock: Stock) -> None:
    parent = stock.image("a")
    child = stock.image("a", "b", parent=parent)
    with stock.store.database.read() as tx:
        assert prune_candidates(tx, {}, stock.now)[0] == [child]


@pytest.mark.parametrize(
    ("values", "dangling"),
    [
        ([], True),
        (["true"], True),
        (["1"], True),
        (["false"], False),
        (["0"], False),
        (["true", "false"], False),
    ],
)
def test_only_dangling_images_go_unless_asked(stock: Stock, values: list[str], dangling: bool) -> None:
    with stock.store.database.read() as tx:
        assert prune_candidates(tx, {"dangling": values}, stock.now)[1] is dangling


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"nope": ["1"]}, "Invalid filter 'nope'"),
        ({"before": ["p:1"]}, "Invalid filter 'before'"),
        ({"dangling": ["maybe"]}, "Invalid filter 'dangling=[maybe]'"),
        ({"until": ["1h", "2h"]}, "more than one until filter specified"),
        ({"until": ["bad"]}, 'failed to parse value as time or duration: "bad"'),
    ],
)
def test_a_bad_filter_is_refused_in_dockers_words(
    stock: Stock, filters: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(Invalid) as refused:
        stock.engine.prune_images(filters)
    assert str(refused.value) == message


def test_a_prune_with_until_leaves_what_is_younger(stock: Stock) -> None:
    stock.image("a", created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START // SECOND)))
    assert not stock.engine.prune_images({"until": ["1h"]}).rows
    stock.now += HOUR
    assert stock.engine.prune_images({"until": ["1h"]}).rows
