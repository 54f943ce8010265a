"""A delete costs what it deletes, not what the store holds: no statement of it scans a table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ligan.engine import deletes
from ligan.store.store import Policy
from tests.support.stores import Stock, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TABLES = ("blob", "layer", "layer_blob", "image", "reference", "container", "name_history", "event")
SCAN = re.compile(rf"^SCAN ({'|'.join(TABLES)}|child|parent)\b")
"""A step of SQLite's plan that reads a whole table or index; common table expressions may be scanned."""


@pytest.fixture
def busy(tmp_path: object) -> Iterator[Stock]:
    """A store with a little of everything, and a budget, so that what undo holds is counted too."""
    with opened(f"{tmp_path}/store", Policy(disk_limit=1.0, budget=1 << 40)) as stock:
        base = stock.image("a", names=["base:1"])
        for number in range(12):
            middle = stock.image("a", str(number), parent=base)
            names = [f"app:{number}", f"web:{number}"]
            stock.image("a", str(number), "c", parent=middle, names=names, step=str(number))
        stock.engine.remove_images(["app:1", "web:1"])
        yield stock


def _statements(stock: Stock, act: Callable[[], object]) -> set[str]:
    statements: set[str] = set()
    connection = stock.store.database.connection
    connection.set_trace_callback(statements.add)
    act()
    connection.set_trace_callback(None)
    return {text for text in statements if re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", text)}


def _scans(stock: Stock, statements: set[str]) -> dict[str, list[str]]:
    """Return the statements that read a whole table, each with the steps that do."""
    scans = {}
    for statement in statements:
        plan = stock.store.database.connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        if steps := [step for *_numbers, step in plan if SCAN.match(step)]:
            scans[statement] = steps
    return scans


@pytest.mark.parametrize(
    "act",
    [
        lambda stock: stock.engine.plan_removal(["app:2", "web:2"]),
        lambda stock: stock.engine.plan_removal(["app:2", "web:2"], now=True),
        lambda stock: stock.engine.remove_images(["app:2"]),
        lambda stock: stock.engine.remove_images(["app:2", "web:2", "app:3"]),
        lambda stock: stock.engine.remove_images(["app:2", "web:2"], now=True),
        lambda stock: stock.engine.remove_images([stock.engine.inspect_image("app:2")["Id"]], force=True),
        lambda stock: deletes.undo_deletion(stock.store, None, "", force=False),
        lambda stock: stock.engine.reclaim(drop_all=True),
        lambda stock: stock.engine.tag_image("app:2", "app:3"),
    ],
)
def test_no_statement_scans_a_table(busy: Stock, act: Callable[[Stock], object]) -> None:
    statements = _statements(busy, lambda: act(busy))
    assert len(statements) > 3
    assert _scans(busy, statements) == {}


def test_a_scan_would_be_seen(busy: Stock) -> None:
    assert _scans(busy, _statements(busy, lambda: busy.engine.list_images({})))
