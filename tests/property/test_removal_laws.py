"""Laws of deleting: what a plan says is what a delete does, to the row and to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import event, given, settings
from hypothesis import strategies as st

from ligan.errors import LiganError
from ligan.store.reclaim import held_by_undo
from ligan.store.store import Policy
from tests.property.worlds import PRUNES, REMOVALS, WORLDS, Removal, World, filled
from tests.support.stores import HOUR

if TYPE_CHECKING:
    from ligan.insight.outcome import Report
    from ligan.insight.plan import Plan
    from tests.support.stores import Stock

law = settings(max_examples=100)

POLICIES = st.sampled_from(
    [
        Policy(disk_limit=1.0),
        Policy(disk_limit=1.0, budget=5000),
        Policy(disk_limit=1.0, window=0),
        Policy(disk_limit=-1.0),
    ]
)


def _held(stock: Stock) -> int:
    with stock.store.database.read() as tx:
        return held_by_undo(tx)


class _Bytes:
    """The bytes on disk, and those of them that undo holds, before and after a delete."""

    def __init__(self, stock: Stock) -> None:
        self.stock = stock
        self.disk, self.held = stock.disk_bytes(), _held(stock)

    def check(self, plan: Plan, report: Report) -> None:
        assert (plan.freed, plan.recoverable) == (report.freed, report.recoverable)
        assert self.disk - self.stock.disk_bytes() == report.freed
        assert self.stock.book_bytes() == self.stock.disk_bytes()
        if report.deletion is not None:
            assert _held(self.stock) - self.held == report.recoverable
        elif plan.rows:
            assert plan.reason == report.reason != ""


@given(WORLDS, REMOVALS, POLICIES, st.sampled_from([0, 25]))
@law
def test_a_plan_of_rmi_is_the_act(world: World, removal: Removal, policy: Policy, hours: int) -> None:
    with filled(world, policy) as (stock, images):
        stock.now += hours * HOUR  # entries that are due go before a verb does anything
        names = removal.names(images)
        flags = {"force": removal.force, "prune_parents": removal.prune_parents, "now": removal.now}
        existing, entries = stock.dump(), stock.engine.undo_entries()
        plan = stock.engine.plan_removal(names, **flags)
        assert (stock.dump(), stock.engine.undo_entries()) == (existing, entries)
        stock.engine.reclaim()
        before = _Bytes(stock)
        outcome = stock.engine.remove_images(names, **flags)
        assert plan.rows == tuple(row for argument in outcome.arguments for row in argument.rows)
        assert [(item.argument, item.message) for item in plan.refused] == [
            (item.argument, item.error.message) for item in outcome.arguments if item.error
        ]
        before.check(plan, outcome.report)
        event("rows" if plan.rows else "nothing")


@given(WORLDS, PRUNES, st.booleans(), POLICIES, st.sampled_from([0, 25]))
@law
def test_a_plan_of_prune_is_the_act(
    world: World, filters: dict[str, list[str]], now: bool, policy: Policy, hours: int
) -> None:
    with filled(world, policy) as (stock, _images):
        stock.now += hours * HOUR  # entries that are due go before a verb does anything
        plan = stock.engine.plan_prune(filters, now=now)
        stock.engine.reclaim()
        before = _Bytes(stock)
        outcome = stock.engine.prune_images(filters, now=now)
        assert (plan.rows, plan.diff_size) == (outcome.rows, outcome.diff_size)
        before.check(plan, outcome.report)


@given(WORLDS, REMOVALS)
@law
def test_one_command_deletes_what_one_argument_after_the_other_does(world: World, removal: Removal) -> None:
    """Arguments that are prefixes of an ID apart: they are looked up before the first delete."""
    flags = {"force": removal.force, "prune_parents": removal.prune_parents}
    with filled(world) as (stock, images):
        together = stock.engine.remove_images(removal.names(images), **flags)
        left = stock.dump()
    with filled(world) as (stock, images):
        alone = [stock.engine.remove_images([name], **flags).arguments[0] for name in removal.names(images)]
        assert left == stock.dump()
    assert [item.rows for item in together.arguments] == [item.rows for item in alone]
    assert [item.error and item.error.message for item in together.arguments] == [
        item.error and item.error.message for item in alone
    ]


@given(WORLDS)
@law
def test_dropping_an_entry_frees_what_the_list_of_entries_says(world: World) -> None:
    with filled(world) as (stock, _images):
        held = _held(stock)
        total = 0
        for entry in stock.engine.undo_entries():
            said = next(item.bytes for item in stock.engine.undo_entries() if item.key == entry.key)
            disk = stock.disk_bytes()
            assert stock.engine.reclaim([entry.key]) == said == disk - stock.disk_bytes()
            total += said
        assert total == held
        assert _held(stock) == 0


@given(WORLDS)
@law
def test_why_names_no_blocker_just_where_a_prune_would_delete(world: World) -> None:
    with filled(world) as (stock, _images):
        pruned = {row.name for row in stock.engine.plan_prune({}).rows}
        for image in stock.images():
            answer = stock.engine.why(image)
            blocked = [holder for holder in answer.holders if holder.blocks and holder.kind != "digest"]
            if not blocked:
                assert image in pruned, answer
            elif all(holder.kind != "child" for holder in blocked):
                assert image not in pruned, answer


@given(WORLDS, st.data())
@law
def test_the_commands_of_why_free_the_object(world: World, data: st.DataObject) -> None:
    with filled(world) as (stock, _images):
        with stock.store.database.read() as tx:
            objects = tx.column(
                "SELECT id FROM image UNION SELECT chain_id FROM layer UNION SELECT digest FROM blob"
            )
        if not objects:
            return
        target = data.draw(st.sampled_from(sorted(objects)))
        answer = stock.engine.why(target)
        disk, before = stock.disk_bytes(), {entry.key for entry in stock.engine.undo_entries()}
        for command in answer.commands:
            _run(stock, command)
        if answer.kind == "image":  # those of an image leave it to undo
            stock.engine.reclaim(
                [entry.key for entry in stock.engine.undo_entries() if entry.key not in before]
            )
        assert disk - stock.disk_bytes() == answer.bytes
        stock.engine.reclaim(drop_all=answer.kind == "image")
        try:
            left = stock.engine.why(target)
        except LiganError:
            left = None
        assert left is None, (answer, left)


def _run(stock: Stock, command: str) -> None:
    _ligan, verb, *arguments = command.replace("'", "").split()
    if verb == "unpin":
        for pattern in arguments:
            stock.engine.unpin(pattern)
    elif verb == "rm":
        for prefix in arguments[1:]:
            stock.remove_container(prefix)
    elif verb == "rmi":
        now = arguments[0] == "--now"
        outcome = stock.engine.remove_images(arguments[now:], now=now)
        assert not [item.error for item in outcome.arguments if item.error], outcome
    else:
        assert verb == "reclaim"
        stock.engine.reclaim([int(key) for key in arguments])
