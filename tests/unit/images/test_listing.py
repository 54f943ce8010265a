"""Listing and its filters. The golden h_filters is asked again, of a store with the same images."""

from __future__ import annotations

import json
import lzma
import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ligan.errors import Invalid, LiganError
from ligan.images.listing import matches_labels
from tests.support.stores import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.oci.digest import ImageID
    from tests.support.stores import Stock

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "..", "golden", "data", "h_filters.json.xz")


def _requests() -> Iterator[dict[str, Any]]:
    """Yield each listing that Docker was asked for, as soon as all images and names were there."""
    with lzma.open(GOLDEN) as file:
        steps = json.load(file)["steps"]
    calls = [call for step in steps for call in step.get("api", [step] if step["kind"] == "api" else [])]
    for call in calls:
        url = urlsplit(call["path"])
        if url.path.endswith("/images/json"):
            query = parse_qs(url.query)
            yield {
                "all": "all" in query,
                "filters": query.get("filters", ["{}"])[0],
                "answer": json.loads(call["response_body"]),
            }


REQUESTS = list(_requests())


@pytest.fixture
def docker(stock: Stock) -> tuple[Stock, dict[str, ImageID]]:
    """A store with the golden's images, and its ID of each of them."""
    everything = next(request["answer"] for request in REQUESTS if request["all"])
    ids: dict[str, ImageID] = {}
    rows = {row["Id"]: row for row in everything}

    def make(identity: str) -> ImageID:
        if identity not in ids:
            row = rows[identity]
            names = [name for name in row["RepoTags"] if name != "<none>:<none>"]
            created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row["Created"]))
            parent = make(row["ParentId"]) if row["ParentId"] else None
            ids[identity] = stock.image(
                names=names, parent=parent, step=identity, labels=row["Labels"], created=created
            )
        return ids[identity]

    for identity in rows:
        make(identity)
    return stock, ids


def _filters(text: str, ids: dict[str, ImageID]) -> dict[str, list[str]] | None:
    """Read filters as a client sends them, with IDs of this store; None for what only Docker answers so."""
    try:
        filters = json.loads(text)
    except ValueError:
        return None
    if not isinstance(filters, dict) or "until" in filters:  # accepted here, as by engine 25
        return None
    if any(len(filters.get(name, ())) > 1 for name in ("before", "since")):  # all count here, as in engine 25
        return None
    return {
        name: [next((ids[key].short for key in ids if key[7:19] == value), value) for value in values]
        for name, values in filters.items()
    }


def _rows(answer: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    return sorted(
        (row["Id"], [tag for tag in row["RepoTags"] or () if tag != "<none>:<none>"]) for row in answer
    )


def test_every_listing_of_the_golden_is_dockers(docker: tuple[Stock, dict[str, ImageID]]) -> None:
    stock, ids = docker
    asked = 0
    for request in REQUESTS:
        filters = _filters(request["filters"], ids)
        if filters is None:
            continue
        asked += 1
        answer = request["answer"]
        try:
            listed = stock.engine.list_images(filters, show_all=request["all"])
        except LiganError as error:
            refused = {"message": str(error)}
        else:
            refused = {}
        if refused or isinstance(answer, dict):
            assert refused == answer, request["filters"]
            continue
        back = {image: identity for identity, image in ids.items()}
        found = sorted((back[image.id], list(image.tags)) for image in listed)
        assert found == _rows(answer), request["filters"]
        assert [image.created_s for image in listed] == [row["Created"] for row in answer]
    assert asked > 30


def test_newer_images_come_first_then_lower_ids(stock: Stock) -> None:
    old = stock.image(step="old", created="2020-01-01T00:00:00Z")
    same = [stock.image(step=str(step), created="2021-01-01T00:00:00.5Z") for step in range(3)]
    new = stock.image(step="new", created="2021-01-01T00:00:00.500000001Z")
    none = stock.image(step="none", created="")
    assert [image.id for image in stock.engine.list_images({})] == [new, *sorted(same), old, none]


def test_an_untagged_image_with_children_is_shown_with_all_only(stock: Stock) -> None:
    parent = stock.image("a")
    child = stock.image("a", "bb", parent=parent)
    (row,) = stock.engine.list_images({})
    assert (row.id, row.parent, row.size) == (child, parent, 3)
    assert {image.id for image in stock.engine.list_images({}, show_all=True)} == {parent, child}


def test_an_image_with_digests_only_is_listed_and_dangling(stock: Stock) -> None:
    name = f"app@sha256:{'1' * 64}"
    stock.image(names=[name])
    for filters in ({}, {"dangling": ["true"]}, {"dangling": ["false"]}):
        (row,) = stock.engine.list_images(filters)
        assert (row.tags, row.digests) == ((), (name,))


def test_names_come_in_canonical_order(stock: Stock) -> None:
    stock.image(names=["localhost:5000/a:b", "q/w:x", "p:1", "p:0"])
    assert stock.engine.list_images({})[0].tags == ("p:0", "p:1", "q/w:x", "localhost:5000/a:b")


def test_tags_and_digests_are_told_apart(stock: Stock) -> None:
    digest = f"app@sha256:{'1' * 64}"
    stock.image(names=["b:1", digest, "a:1"])
    (row,) = stock.engine.list_images({})
    assert (row.tags, row.digests) == (("a:1", "b:1"), (digest,))


def test_several_before_and_since_must_all_hold(stock: Stock) -> None:
    for day in (1, 2, 3, 4):
        stock.image(names=[f"app:{day}"], step=str(day), created=f"2020-01-0{day}T00:00:00Z")
    rows = stock.engine.list_images({"before": ["app:4", "app:3"], "since": ["app:1"]})
    assert [row.tags for row in rows] == [("app:2",)]


def test_until_counts_from_now_and_is_strict(stock: Stock) -> None:
    stock.now = 1_700_000_000 * 10**9
    for seconds in (0, 3600):
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_700_000_000 - seconds))
        stock.image(names=[f"app:{seconds}"], step=str(seconds), created=created)
    assert stock.engine.list_images({"until": ["1h"]}) == []
    stock.now += HOUR // 2
    assert [row.tags for row in stock.engine.list_images({"until": ["1h"]})] == [("app:3600",)]


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"nope": ["1"]}, "Invalid filter 'nope'"),
        ({"label!": ["a"]}, "Invalid filter 'label!'"),
        ({"dangling": ["maybe"]}, "Invalid filter 'dangling=[maybe]'"),
        ({"dangling": ["1"]}, "Invalid filter 'dangling=[1]'"),
        ({"reference": ["[-]"]}, "syntax error in pattern"),
    ],
)
def test_a_bad_filter_is_refused_in_dockers_words(
    stock: Stock, filters: dict[str, list[str]], message: str
) -> None:
    stock.image(names=["app:1"])
    with pytest.raises(Invalid) as refused:
        stock.engine.list_images(filters)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("labels", "wanted", "answer"),
    [
        (None, [], True),
        (None, ["a"], False),
        ('{"a":"1"}', ["a"], True),
        ('{"a":"1"}', ["a=1"], True),
        ('{"a":"1"}', ["a=2"], False),
        ('{"a":"1"}', ["a="], False),
        ('{"a":""}', ["a="], True),
        ('{"a":"b=c"}', ["a=b=c"], True),
        ('{"a":"1","b":"2"}', ["a", "b=2"], True),
        ('{"a":"1"}', ["a", "b"], False),
    ],
)
def test_all_wanted_labels_must_match(labels: str | None, wanted: list[str], answer: bool) -> None:
    assert matches_labels(labels, wanted) is answer
