from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import Invalid
from ligan.insight.outcome import NO_WINDOW
from ligan.insight.plan import PlanOutdated, changes_between, from_json, to_json
from tests.support.stores import HOUR, KEEP

if TYPE_CHECKING:
    from ligan.insight.plan import Plan
    from tests.support.stores import Stock


@pytest.fixture
def plan(stock: Stock) -> Plan:
    stock.image("a", names=["app:1", "web:1"])
    stock.image("b", names=["app:2"])
    return stock.engine.plan_removal(["app:1", "app:2", "nosuch"])


def test_a_plan_reads_back(stock: Stock, plan: Plan) -> None:
    assert plan.stays
    assert from_json(to_json(plan)) == plan
    prune = stock.engine.plan_prune({"dangling": ["false"], "label!": ["é"]})
    assert from_json(to_json(prune)) == prune
    assert to_json(prune).endswith("}\n")


def test_a_plan_is_applied_later(stock: Stock, plan: Plan) -> None:
    outcome = stock.engine.apply_plan(from_json(to_json(plan)))
    assert tuple(row for item in outcome.arguments for row in item.rows) == plan.rows
    assert outcome.report.recoverable == plan.recoverable
    assert set(stock.names()) == {"web:1"}


def test_a_plan_of_prune_is_applied_later(stock: Stock) -> None:
    stock.image("a")
    plan = stock.engine.plan_prune({})
    outcome = stock.engine.apply_plan(plan)
    assert outcome.arguments[0].rows == plan.rows
    assert stock.images() == set()


def test_a_plan_is_refused_once_the_store_has_changed(stock: Stock, plan: Plan) -> None:
    stock.name(stock.names()["app:2"], "other:1")
    before = stock.dump()
    with pytest.raises(PlanOutdated) as refused:
        stock.engine.apply_plan(plan)
    assert "the store has changed since the plan was made: " in str(refused.value)
    assert f"it would no longer say Deleted: {stock.names()['other:1']}" in refused.value.changes
    assert stock.dump() == before
    assert stock.engine.undo_entries() == []


def test_each_kind_of_change_is_said_in_words(plan: Plan) -> None:
    rows = plan.rows
    assert changes_between(plan, plan) == []
    assert changes_between(plan.replace(rows=rows[1:]), plan) == [f"it would also say {rows[0]}"]
    assert changes_between(plan, plan.replace(rows=rows[::-1])) == ["the order of its rows differs"]
    (refused,) = plan.refused
    assert changes_between(plan, plan.replace(refused=())) == ["nosuch would no longer be refused"]
    assert changes_between(plan.replace(refused=()), plan) == [f"nosuch would be refused: {refused.message}"]
    (change,) = changes_between(plan, plan.replace(freed=5))
    assert change.startswith("it would free 5 bytes and keep ")


def test_a_plan_is_refused_once_a_name_is_that_of_another_image_that_stays(stock: Stock) -> None:
    first = stock.image("a", names=["app:1", "app:2", "app:3"])
    stock.image("b", names=["web:1", "web:2"])
    plans = [stock.engine.plan_removal(names) for names in (["app:1"], ["app:1", "app:2", "app:3", "web:1"])]
    stock.engine.tag_image("web:1", "app:1")
    for plan in plans:
        with pytest.raises(PlanOutdated) as refused:
            stock.engine.apply_plan(plan)
        assert refused.value.changes == ["app:1 means another image now"]
    stock.engine.remove_images(["app:1"])
    with pytest.raises(PlanOutdated) as refused:
        stock.engine.apply_plan(plans[0])
    assert refused.value.changes == [
        "it would no longer say Untagged: app:1",
        "app:1 would be refused: No such image: app:1",
    ]
    stock.name(first, "app:1")
    stock.engine.tag_image("app:3", "app:4")  # what holds the image that stays is no part of the deed
    stock.engine.apply_plan(plans[0])
    assert set(stock.names()) == {"app:2", "app:3", "app:4", "web:1", "web:2"}


def test_a_plan_is_refused_once_nothing_would_be_kept_for_undo(stock: Stock) -> None:
    stock.image("a", names=["app:1", "app:2"])
    plan = stock.engine.plan_removal(["app:1"])
    stock.engine.set_policy(KEEP.replace(window=0))
    with pytest.raises(PlanOutdated) as refused:
        stock.engine.apply_plan(plan)
    assert refused.value.changes == [f"nothing would be kept for undo: {NO_WINDOW}"]


def test_a_plan_counts_without_the_undo_entries_that_are_due(stock: Stock) -> None:
    stock.image("base", "x", names=["app:1"])
    stock.image("base", "y", names=["app:2"])
    stock.engine.remove_images(["app:1"])
    stock.now += 25 * HOUR
    plan = stock.engine.plan_removal(["app:2"], now=True)
    assert len(stock.engine.undo_entries()) == 1, "to plan changes nothing"
    assert stock.engine.apply_plan(plan).report.freed == plan.freed
    assert stock.disk_bytes() == 0


def test_a_plan_that_keeps_nothing_says_why(stock: Stock, plan: Plan) -> None:
    assert (plan.reason, plan.freed) == ("", 0)
    now = stock.engine.plan_removal(["app:1", "app:2"], now=True)
    assert (now.reason, now.recoverable) == ("--now was given", 0)
    assert now.freed == plan.recoverable
    assert stock.engine.plan_removal(["nosuch"], now=True).reason == ""


@pytest.mark.parametrize(
    "change",
    [
        {"format": 1},
        {"format": None},
        {"verb": "load"},
        {"verb": ["rmi"]},
        {"arguments": "app:1"},
        {"arguments": [1]},
        {"filters": []},
        {"filters": {"label": "a"}},
        {"filters": {"label": [1]}},
        {"force": "yes"},
        {"now": 1},
        {"rows": [["Untagged", "a"]]},
        {"rows": [{"Untagged": []}]},
        {"rows": {}},
        {"refused": [{"argument": "a"}]},
        {"refused": [{"argument": "a", "message": None}]},
        {"stays": [{"image": "a", "holders": []}]},
        {"stays": [{"image": "a", "loses": [], "holders": [1]}]},
        {"stays": [{"image": "a", "loses": "app:1", "holders": []}]},
        {"diff_size": "1"},
        {"freed": True},
        {"reason": None},
        {"extra": 1},
    ],
)
def test_what_is_no_plan_is_refused(plan: Plan, change: dict[str, Any]) -> None:
    document = json.loads(to_json(plan))
    assert from_json(json.dumps(document)) == plan
    with pytest.raises(Invalid):
        from_json(json.dumps(document | change))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "7", '"plan"', "[" * 100_000, '{"format": 2}'])
def test_any_other_file_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        from_json(text)
