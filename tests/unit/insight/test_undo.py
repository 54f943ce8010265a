"""The rules of undo, one by one."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from ligan.errors import NotFound
from ligan.images.catalog import link_parent
from ligan.insight import outcome
from ligan.insight.undo import ImageGone, NameTaken, NeedsLaterEntry
from ligan.store.store import Policy
from tests.support.stores import HOUR, KEEP, Stock, opened

if TYPE_CHECKING:
    from collections.abc import Iterator


def remove(stock: Stock, *names: str, force: bool = False, now: bool = False) -> int:
    """Delete; returns the key of the undo entry, 0 where nothing was kept."""
    result = stock.engine.remove_images(names, force=force, now=now)
    assert not any(item.error for item in result.arguments), result
    return result.report.deletion or 0


def test_an_entry_says_what_it_holds(stock: Stock) -> None:
    image = stock.image("a", names=["app:1", "web:1"])
    report = stock.engine.remove_images([image.short], force=True).report
    (entry,) = stock.engine.undo_entries()
    assert (entry.key, entry.command) == (report.deletion, "test")
    assert (entry.references, entry.images) == (("app:1", "web:1"), (image,))
    assert (entry.at, entry.until) == (stock.now, stock.now + 24 * HOUR)
    assert entry.bytes == report.recoverable == stock.disk_bytes()
    assert report.until == entry.until


def test_undo_brings_back_the_newest_entry_and_tells_what(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    image = stock.image("b", names=["app:2"])
    remove(stock, "app:1")
    key = remove(stock, "app:2")
    result = stock.engine.undo()
    assert (result.entry, result.command) == (key, "test")
    assert (result.images, result.merged, result.references, result.moved) == ((image,), (), ("app:2",), ())
    assert result.report is None
    assert set(stock.names()) == {"app:2"}


def test_there_may_be_nothing_to_undo(stock: Stock) -> None:
    with pytest.raises(NotFound, match=r"^there is nothing to undo$"):
        stock.engine.undo()
    with pytest.raises(NotFound, match=r"^No such undo entry: 7$"):
        stock.engine.undo(7)


def test_a_planned_undo_changes_nothing(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    key = remove(stock, "app:1")
    before, entries = stock.dump(), stock.engine.undo_entries()
    plan = stock.engine.plan_undo()
    assert (stock.dump(), stock.engine.undo_entries()) == (before, entries)
    assert stock.engine.undo(key) == plan


def test_an_entry_that_is_due_is_planned_to_be_gone(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    key = remove(stock, "app:1")
    stock.now += 24 * HOUR
    for ask in (stock.engine.plan_undo, stock.engine.undo):
        with pytest.raises(NotFound, match=f"^No such undo entry: {key}$"):
            ask(key)
    with pytest.raises(NotFound, match=r"^there is nothing to undo$"):
        stock.engine.plan_undo()


def test_the_newest_that_is_not_due_is_planned_to_come_back(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    stock.image("b", names=["app:2"])
    stock.engine.set_policy(KEEP.replace(window=48 * HOUR))
    remove(stock, "app:1")
    stock.engine.set_policy(KEEP)
    remove(stock, "app:2")
    stock.now += 25 * HOUR
    plan = stock.engine.plan_undo()
    assert (plan.entry, plan.references) == (1, ("app:1",))
    assert len(stock.engine.undo_entries()) == 2, "to plan changes nothing"
    assert stock.engine.undo() == plan


def test_an_image_that_is_there_again_is_merged(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    remove(stock, "app:1")
    stock.image("a", names=["web:1"])
    result = stock.engine.undo()
    assert (result.images, result.merged) == ((), (image,))
    assert stock.names() == {"app:1": image, "web:1": image}
    assert len(stock.images()) == 1


def test_a_name_that_was_given_anew_is_not_taken_back(stock: Stock) -> None:
    stock.image("a", names=["app:1", "web:1"])
    key = remove(stock, "app:1", "web:1")
    other = stock.image("b", names=["app:1"])
    before, entries = stock.dump(), stock.engine.undo_entries()
    with pytest.raises(NameTaken, match=f"^conflict: app:1 now names {other.short}$"):
        stock.engine.undo(key)
    assert (stock.dump(), stock.engine.undo_entries()) == (before, entries)


def test_a_name_taken_back_by_force_can_be_given_back(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    remove(stock, "app:1")
    other = stock.image("b", names=["app:1"])
    plan = stock.engine.plan_undo(force=True)
    result = stock.engine.undo(force=True)
    assert result.moved == ("app:1",)
    assert plan == result.replace(report=None)
    assert stock.names() == {"app:1": image}
    assert result.report is not None
    assert [row[:2] for row in stock.dump()["name_history"]] == [("docker.io/library/app:1", other)]
    (entry,) = stock.engine.undo_entries()
    assert (entry.key, entry.references, entry.bytes) == (result.report.deletion, ("app:1",), 0)
    with pytest.raises(NameTaken):
        stock.engine.undo()
    stock.engine.undo(force=True)
    assert stock.names() == {"app:1": other}


def test_a_parent_in_the_entry_or_alive_is_linked_again(stock: Stock) -> None:
    base = stock.image("a", names=["base:1"])
    middle = stock.image("a", "b", parent=base)
    top = stock.image("a", "b", "c", parent=middle, names=["app:1"])
    before = stock.dump()
    assert remove(stock, "app:1")
    assert stock.images() == {base}
    stock.engine.undo()
    assert stock.dump() == before
    assert {row[0]: row[2] for row in before["image"]} == {base: None, middle: base, top: middle}


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_parents_are_linked_again_in_whatever_order_they_come_back(
    stock: Stock, order: tuple[int, ...]
) -> None:
    base = stock.image("a", names=["base:1"])
    middle = stock.image("a", "b", parent=base, names=["middle:1"])
    stock.image("a", "b", "c", parent=middle, names=["app:1"])
    stock.image("a", "b", "d", parent=middle, names=["web:1"])
    before = stock.dump()
    entries = [remove(stock, name) for name in ("app:1", "web:1", "middle:1", "base:1")]
    for index in order:
        stock.engine.undo(entries[index])
    assert stock.dump() == before


def test_a_parent_that_is_not_back_yet_outlives_another_delete(stock: Stock) -> None:
    base = stock.image("a", names=["base:1"])
    stock.image("a", "b", parent=base, names=["app:1"])
    before = stock.dump()
    first, parents = remove(stock, "app:1"), remove(stock, "base:1")
    stock.engine.undo(first)
    again = remove(stock, "app:1")
    stock.engine.undo(parents)
    stock.engine.undo(again)
    assert stock.dump() == before


def test_a_parent_that_is_gone_is_not_linked(stock: Stock) -> None:
    base = stock.image("a", names=["base:1"])
    top = stock.image("a", "b", parent=base, names=["app:1"])
    first = remove(stock, "app:1")
    remove(stock, "base:1", now=True)
    stock.engine.undo(first)
    assert {row[0]: row[2] for row in stock.dump()["image"]} == {top: None}


def test_no_circle_of_parents_comes_back(stock: Stock) -> None:
    first = stock.image("a", names=["first:1"])
    second = stock.image("b", parent=first, names=["second:1"])
    entry = remove(stock, "second:1")
    # It is loaded again, and said to be the other one's parent: without a history nothing tells.
    assert stock.image("b", names=["second:1"]) == second
    with stock.store.database.write() as tx:
        link_parent(tx, second, first)
    stock.engine.undo(entry)
    assert {row[0]: row[2] for row in stock.dump()["image"]} == {first: second, second: None}


def test_a_name_of_an_image_that_a_later_command_took_names_that_command(stock: Stock) -> None:
    image = stock.image("a", names=["app:1", "web:1"])
    first = remove(stock, "app:1")
    later = remove(stock, "web:1")
    with pytest.raises(NeedsLaterEntry) as refused:
        stock.engine.undo(first)
    assert str(refused.value) == f"conflict: app:1 named {image.short}, which was deleted later"
    assert f"ligan undo {later}" in refused.value.hint
    stock.engine.undo(later)
    stock.engine.undo(first)
    assert set(stock.names()) == {"app:1", "web:1"}


def test_a_name_of_an_image_that_is_gone_cannot_come_back(stock: Stock) -> None:
    stock.image("a", names=["app:1", "web:1"])
    stock.image("b", names=["other:1"])
    key = remove(stock, "app:1", "other:1")
    remove(stock, "web:1", now=True)
    with pytest.raises(ImageGone, match="whose bytes are gone"):
        stock.engine.undo(key)
    assert stock.engine.undo(force=True).references == ("other:1",)
    assert set(stock.names()) == {"other:1"}


def test_a_container_gets_its_image_back(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    stock.container(image, "c1")
    before = stock.dump()
    remove(stock, "app:1", force=True)
    assert stock.dump()["container"][0][2] is None
    stock.engine.undo()
    assert stock.dump() == before


@pytest.fixture
def roomless(tmp_path: object, request: pytest.FixtureRequest) -> Iterator[Stock]:
    with opened(f"{tmp_path}/store", request.param) as stock:
        yield stock


@pytest.mark.parametrize(
    ("roomless", "reason"),
    [
        (Policy(window=0, disk_limit=1.0), outcome.NO_WINDOW),
        (Policy(disk_limit=-1.0), outcome.DISK_FULL),
        (Policy(disk_limit=1.0, budget=100), outcome.BUDGET),
    ],
    indirect=["roomless"],
)
def test_where_undo_has_no_room_the_bytes_go_at_once(roomless: Stock, reason: str) -> None:
    roomless.image("a", names=["app:1"])
    report = roomless.engine.remove_images(["app:1"]).report
    assert (report.reason, report.deletion, report.recoverable) == (reason, None, 0)
    assert report.freed > 0
    assert roomless.disk_bytes() == 0
    with pytest.raises(NotFound):
        roomless.engine.undo()


@pytest.mark.parametrize(
    "roomless", [Policy(disk_limit=-1.0), Policy(budget=0, disk_limit=1.0)], indirect=True
)
def test_a_name_takes_no_room_and_is_always_kept(roomless: Stock) -> None:
    roomless.image("a", names=["app:1", "app:2"])
    assert remove(roomless, "app:1")
    roomless.engine.undo()
    assert set(roomless.names()) == {"app:1", "app:2"}


@pytest.mark.parametrize("roomless", [Policy(disk_limit=1.0, budget=11_000)], indirect=True)
def test_a_budget_counts_what_is_held_already(roomless: Stock) -> None:
    for name in ("app:1", "app:2"):
        roomless.image(name, names=[name])
    assert remove(roomless, "app:1")
    assert not remove(roomless, "app:2")
    assert len(roomless.engine.undo_entries()) == 1


def test_an_entry_that_is_due_is_gone(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    remove(stock, "app:1")
    stock.now += 24 * HOUR
    with pytest.raises(NotFound):
        stock.engine.undo()
    assert stock.disk_bytes() == 0


def test_undo_tells_events(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    remove(stock, "app:1")
    stock.engine.undo()
    with stock.store.database.read() as tx:
        assert tx.all("SELECT action, actor FROM event ORDER BY key") == [
            ("untag", image),
            ("delete", image),
            ("undo", image),
            ("tag", image),
        ]
        assert '"name": "app:1"' in tx.value("SELECT attributes FROM event ORDER BY key DESC")
