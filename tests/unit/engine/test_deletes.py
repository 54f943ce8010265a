"""What only the whole engine shows: several steps in one transaction, and the words of an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ligan.errors import NoSpace
from ligan.insight import outcome
from ligan.store import failpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.stores import Stock

DIGEST = f"@sha256:{'1' * 64}"


def events(stock: Stock) -> list[tuple[str, str]]:
    with stock.store.database.read() as tx:
        return tx.all("SELECT action, attributes FROM event ORDER BY key")


def test_arguments_that_depend_on_each_other_end_in_one_entry(stock: Stock) -> None:
    base = stock.image("a")
    stock.image("a", "b", parent=base, names=["c1:1"])
    stock.image("a", "c", parent=base, names=["c2:1"])
    before = stock.dump()
    result = stock.engine.remove_images(["c1:1", "nosuch", "c2:1", "c1:1"])
    assert [bool(item.error) for item in result.arguments] == [False, True, False, True]
    assert str(result.arguments[3].error) == "No such image: c1:1"
    assert f"Deleted: {base}" in map(str, result.arguments[2].rows)
    assert stock.images() == set()
    stock.engine.undo()
    assert stock.dump() == before


def test_a_tag_that_begins_its_own_id_is_taken_for_the_id(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    stock.name(image, image.hex[:5])
    (refused,) = stock.engine.remove_images([image.hex[:5]]).arguments
    assert "referenced in multiple repositories" in str(refused.error)
    (done,) = stock.engine.remove_images([f"{image.hex[:5]}:latest"]).arguments
    assert [str(row) for row in done.rows] == [f"Untagged: {image.hex[:5]}:latest"]


def test_nothing_deleted_makes_no_entry(stock: Stock) -> None:
    stock.image("a", names=["app:1", "app:2"])
    result = stock.engine.remove_images([stock.names()["app:1"], "nosuch"])
    assert result.report == outcome.Report(0, 0, None, None, outcome.KEPT)
    assert stock.engine.prune_images({}).report.deletion is None
    assert stock.engine.undo_entries() == []


def test_an_untag_leaves_the_image_and_can_be_undone(stock: Stock) -> None:
    image = stock.image("a", names=["app:1", "app:2"])
    report = stock.engine.remove_images(["app:1"]).report
    assert (report.freed, report.recoverable) == (0, 0)
    stock.engine.undo()
    assert stock.names() == {"app:1": image, "app:2": image}


def test_events_tell_the_name_and_the_labels(stock: Stock) -> None:
    image = stock.image("a", names=["app:1", f"app{DIGEST}"], labels={"team": "core"})
    stock.engine.remove_images(["app:1"])
    assert events(stock) == [
        ("untag", f'{{"team": "core", "reference": "app:1", "name": "{image}"}}'),
        ("delete", f'{{"name": "{image}"}}'),
    ]
    stock.engine.prune_images({})
    assert events(stock)[-1] == ("prune", '{"reclaimed": "0"}')


def test_a_prune_counts_docker_sizes_and_physical_bytes(stock: Stock) -> None:
    stock.image("a" * 5)
    result = stock.engine.prune_images({})
    assert result.diff_size == 5
    assert result.report.recoverable == stock.disk_bytes()
    assert events(stock)[-1] == ("prune", '{"reclaimed": "5"}')


def test_a_prune_takes_nothing_from_an_image_in_use(stock: Stock) -> None:
    base = stock.image("a", names=["base:1"])
    used = stock.image("a", "b", parent=base, names=["app:1", "app:2"])
    stock.container(used, "c1")
    before = stock.dump()
    assert not stock.engine.prune_images({"dangling": ["false"]}).rows
    assert stock.dump() == before


@pytest.fixture
def armed() -> Iterator[None]:
    yield
    failpoints.disarm()


@pytest.mark.usefixtures("armed")
@pytest.mark.parametrize("point", ["removal.rows", "undo.rows", "drop.rows", "tag.rows"])
def test_a_failure_in_a_transaction_changes_nothing(stock: Stock, point: str) -> None:
    stock.image("a", names=["app:1"])
    stock.image("b", names=["app:2"])
    stock.engine.remove_images(["app:2"])
    before, entries = stock.dump(), stock.engine.undo_entries()
    failpoints.arm(f"{point}=enospc")
    acts: dict[str, Callable[[], object]] = {
        "removal.rows": lambda: stock.engine.remove_images(["app:1"]),
        "undo.rows": stock.engine.undo,
        "drop.rows": lambda: stock.engine.reclaim(drop_all=True),
        "tag.rows": lambda: stock.engine.tag_image("app:1", "app:3"),
    }
    with pytest.raises(NoSpace):
        acts[point]()
    failpoints.disarm()
    assert (stock.dump(), stock.engine.undo_entries()) == (before, entries)
