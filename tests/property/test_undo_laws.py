"""Laws of undo: what one command deleted comes back as it was, and what is dropped leaves nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ligan.errors import Conflict
from ligan.store import fsck
from ligan.store.reclaim import held_by_undo
from tests.property.worlds import PRUNES, REMOVALS, WORLDS, Removal, World, filled

if TYPE_CHECKING:
    from random import Random

    from tests.support.stores import Stock

law = settings(max_examples=100)


def _sound(stock: Stock) -> bool:
    return not fsck.check(stock.store.database, stock.store.layout)


@given(WORLDS, REMOVALS)
@law
def test_undo_brings_back_what_rmi_took(world: World, removal: Removal) -> None:
    with filled(world) as (stock, images):
        before, disk = stock.dump(), stock.disk_bytes()
        entries = stock.engine.undo_entries()
        report = stock.engine.remove_images(
            removal.names(images), force=removal.force, prune_parents=removal.prune_parents
        ).report
        assume(report.deletion is not None)
        assert _sound(stock)
        stock.engine.undo()
        assert stock.dump() == before
        assert stock.disk_bytes() == disk
        assert stock.engine.undo_entries() == entries


@given(WORLDS, PRUNES)
@law
def test_undo_brings_back_what_prune_took(world: World, filters: dict[str, list[str]]) -> None:
    with filled(world) as (stock, _images):
        before = stock.dump()
        assume(stock.engine.prune_images(filters).report.deletion is not None)
        assert _sound(stock)
        stock.engine.undo()
        assert stock.dump() == before


@given(WORLDS, st.lists(REMOVALS, min_size=2, max_size=4))
@law
def test_undo_of_the_newest_again_and_again_goes_back_step_by_step(
    world: World, removals: list[Removal]
) -> None:
    with filled(world) as (stock, images):
        dumps = []
        for removal in removals:
            before = stock.dump()
            stock.now += 1
            outcome = stock.engine.remove_images(
                removal.names(images), force=removal.force, prune_parents=removal.prune_parents
            )
            if outcome.report.deletion is not None:
                dumps.append(before)
        for before in reversed(dumps):
            stock.engine.undo()
            assert stock.dump() == before


@given(WORLDS, REMOVALS)
@law
def test_after_reclaim_the_disk_holds_just_what_lives(world: World, removal: Removal) -> None:
    with filled(world) as (stock, images):
        stock.engine.remove_images(removal.names(images), force=removal.force)
        living, disk = stock.dump(), stock.disk_bytes()
        with stock.store.database.read() as tx:
            held = held_by_undo(tx)
        assert stock.engine.reclaim(drop_all=True) == held == disk - stock.disk_bytes()
        assert stock.disk_bytes() == stock.book_bytes()
        assert stock.engine.undo_entries() == []
        after = stock.dump()
        forgotten = set(living.pop("name_history")) - set(after.pop("name_history"))
        assert after == living
        assert not {image for _name, image, _until in forgotten} & stock.images()


@given(WORLDS, st.lists(REMOVALS, max_size=3), st.randoms(use_true_random=False))
@law
def test_what_a_reclaim_frees_is_known_before(world: World, removals: list[Removal], random: Random) -> None:
    with filled(world) as (stock, images):
        for removal in removals:
            stock.engine.remove_images(removal.names(images), force=True)
        keys = [entry.key for entry in stock.engine.undo_entries()]
        some = random.sample(keys, random.randint(0, len(keys)))
        before, disk = stock.dump(), stock.disk_bytes()
        planned = stock.engine.plan_reclaim(some)
        assert (stock.dump(), stock.disk_bytes()) == (before, disk)
        assert stock.engine.reclaim(some) == planned == disk - stock.disk_bytes()
        everything = stock.engine.plan_reclaim(drop_all=True)
        assert stock.engine.reclaim(drop_all=True) == everything


@given(WORLDS, st.lists(REMOVALS, max_size=3), st.randoms(use_true_random=False))
@law
def test_undo_in_any_order_succeeds_or_changes_nothing(
    world: World, removals: list[Removal], random: Random
) -> None:
    with filled(world) as (stock, images):
        for removal in removals:
            stock.engine.remove_images(removal.names(images), force=True, prune_parents=removal.prune_parents)
        keys = [entry.key for entry in stock.engine.undo_entries()]
        for key in random.sample(keys, len(keys)):
            before, entries = stock.dump(), stock.engine.undo_entries()
            try:
                stock.engine.undo(key)
            except Conflict:
                assert (stock.dump(), stock.engine.undo_entries()) == (before, entries)
            else:
                keys.remove(key)
            assert _sound(stock)
        for key in keys:  # newest first
            stock.engine.undo(key, force=True)
        assert stock.images() >= set(images)


@given(WORLDS, st.lists(REMOVALS, min_size=2, max_size=4), st.randoms(use_true_random=False))
@law
def test_when_all_is_brought_back_in_any_order_nothing_is_lost(
    world: World, removals: list[Removal], random: Random
) -> None:
    with filled(world) as (stock, images):
        before, old = stock.dump(), {entry.key for entry in stock.engine.undo_entries()}
        for removal in removals:
            stock.engine.remove_images(removal.names(images), force=True, prune_parents=removal.prune_parents)
        keys = [entry.key for entry in stock.engine.undo_entries() if entry.key not in old]
        while keys:
            key = random.choice(keys)
            with suppress(Conflict):  # it needs a later one first
                stock.engine.undo(key)
                keys.remove(key)
        assert stock.dump() == before
