from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import Invalid
from ligan.insight.plan import PlanOutdated, changes_between, from_json, to_json

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


def test_a_plan_that_keeps_nothing_says_why(stock: Stock, plan: Plan) -> None:
    assert (plan.reason, plan.freed) == ("", 0)
    now = stock.engine.plan_removal(["app:1", "app:2"], now=True)
    assert (now.reason, now.recoverable) == ("--now was given", 0)
    assert now.freed == plan.recoverable
    assert stock.engine.plan_removal(["nosuch"], now=True).reason == ""


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
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
        {"stays": [{"image": "a"}]},
        {"stays": [{"image": "a", "holders": [1]}]},
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


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "7", '"plan"', "[" * 100_000, '{"format": 1}'])
def test_any_other_file_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        from_json(text)
