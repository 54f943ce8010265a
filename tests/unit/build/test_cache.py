from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from ligan.build import cache
from ligan.build.locks import Locks
from ligan.errors import Invalid, NotFound
from ligan.images.catalog import find_by_id
from tests.support.stores import Stock

if TYPE_CHECKING:
    from ligan.oci.digest import ImageID

SECOND = 10**9


def hold(stock: Stock, image: ImageID, step: str, content: str | None = None) -> int:
    """Keep the top layer of an image as the result of a step."""
    with stock.store.database.write() as tx:
        row = find_by_id(tx, image)
        assert row is not None
        assert row.layer is not None
        return cache.add(tx, step, content, row.layer, f"RUN {step}", stock.store.now())


def find(stock: Stock, step: str) -> cache.Result | None:
    with stock.store.database.read() as tx:
        return cache.find(tx, step)


def remove(stock: Stock, image: ImageID) -> None:
    stock.engine.remove_images([image], now=True)


def test_a_cached_layer_outlives_its_image(stock: Stock) -> None:
    image = stock.image("below", "step", names=["app:1"])
    row = hold(stock, image, "one")
    remove(stock, image)
    found = find(stock, "one")
    assert found is not None
    assert found.row == row
    with stock.store.database.read() as tx:
        assert tx.value("SELECT count(*) FROM live_layer") == 2
    pruned = cache.prune(stock.store, {})
    assert [item.description for item in pruned.removed] == ["RUN one"]
    assert pruned.bytes == len("step")
    with stock.store.database.read() as tx:
        assert tx.value("SELECT count(*) FROM layer") == 0
    assert os.listdir(stock.store.layout.blobs) == []


def test_a_delete_does_not_promise_what_the_cache_holds(stock: Stock) -> None:
    image = stock.image("x" * 5000, names=["app:1"])
    hold(stock, image, "one")
    plan = stock.engine.plan_removal(["app:1"], now=True)
    assert plan.freed < 5000
    assert stock.engine.remove_images(["app:1"], now=True).report.freed == plan.freed


def test_the_newest_result_of_a_step_counts(stock: Stock) -> None:
    hold(stock, stock.image("a"), "one")
    newer = hold(stock, stock.image("b"), "one")
    found = find(stock, "one")
    assert found is not None
    assert found.row == newer


def test_what_copied_the_same_is_found_by_that_and_by_the_new_digest_afterwards(stock: Stock) -> None:
    row = hold(stock, stock.image("a"), "one", "content")
    with stock.store.database.write() as tx:
        found = cache.find_content(tx, "content")
        assert found is not None
        cache.rename(tx, found.row, "two")
    other = find(stock, "two")
    assert other is not None
    assert other.row == row


def test_a_prune_leaves_what_images_have_unless_everything_is_to_go(stock: Stock) -> None:
    hold(stock, stock.image("a", names=["app:1"]), "one")
    assert cache.prune(stock.store, {}).removed == ()
    pruned = cache.prune(stock.store, {}, everything=True)
    assert ([item.shared for item in pruned.removed], pruned.bytes) == ([True], 0)
    assert stock.engine.inspect_image("app:1")["Id"]


def test_a_prune_leaves_what_a_build_uses(stock: Stock) -> None:
    image = stock.image("a")
    row = hold(stock, image, "one")
    remove(stock, image)
    with Locks(stock.store.layout) as locks:
        locks.use(row)
        assert cache.prune(stock.store, {}, everything=True).removed == ()
        assert [item.in_use for item in cache.records(stock.store)] == [True]
    assert len(cache.prune(stock.store, {}).removed) == 1


def test_rows_take_one_open_file_however_many_they_are(stock: Stock) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Locks(stock.store.layout) as one, Locks(stock.store.layout) as two:
        for row in range(0, 1000, 2):
            one.use(row)
            assert two.take(row + 1)
        assert len(os.listdir("/proc/self/fd")) == before + 2
        assert [two.take(row) for row in range(4)] == [False, True, False, True]


def test_a_look_at_a_row_is_in_nobodys_way(stock: Stock) -> None:
    with Locks(stock.store.layout) as one, Locks(stock.store.layout) as two:
        assert not one.is_used(1)
        assert two.take(1)
        assert one.is_used(1)
        assert not two.is_used(1)


def test_the_least_recently_used_goes_first_until_little_enough_is_left(stock: Stock) -> None:
    for number in range(3):
        image = stock.image(f"{number}" * 100)
        hold(stock, image, f"step {number}")
        remove(stock, image)
        stock.now += SECOND
    first = find(stock, "step 0")
    assert first is not None
    with stock.store.database.write() as tx:
        cache.use(tx, [first.row], stock.now)
    pruned = cache.prune(stock.store, {}, keep=250)
    assert [item.description for item in pruned.removed] == ["RUN step 1"]
    assert [item.uses for item in cache.records(stock.store)] == [0, 1]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"until": ["90s"]}, ["RUN new"]),
        ({"unused-for": ["1h"]}, ["RUN old", "RUN new"]),
        ({"type": ["exec.cachemount"]}, ["RUN old", "RUN new"]),
        ({"type": ["regular"], "description": ["RUN new"]}, ["RUN old"]),
        ({"private": [""]}, []),
        ({"shared": [""]}, ["RUN old", "RUN new"]),
        ({"inuse": ["true"]}, ["RUN old", "RUN new"]),
        ({"id": [""], "inuse": ["false"]}, []),
        ({"id": ["-"]}, ["RUN old", "RUN new"]),
    ],
)
def test_filters_of_a_prune(filters: dict[str, list[str]], left: list[str], stock: Stock) -> None:
    for name in ("old", "new"):
        image = stock.image(name)
        hold(stock, image, name)
        remove(stock, image)
        stock.now += 60 * SECOND
    cache.prune(stock.store, filters)
    assert [item.description for item in cache.records(stock.store)] == left


@pytest.mark.parametrize("name", ["label", "label!"])
def test_cache_stays_where_labels_choose(stock: Stock, name: str) -> None:
    """As `docker system prune --filter label=x` has its daemon prune the cache, too."""
    image = stock.image("base")
    hold(stock, image, "step")
    remove(stock, image)
    assert not cache.prune(stock.store, {name: ["a", "b=c"]}).removed
    assert len(cache.prune(stock.store, {}).removed) == 1


def test_filters_that_there_are_not(stock: Stock) -> None:
    with pytest.raises(Invalid, match="Invalid filter 'nope'"):
        cache.prune(stock.store, {"nope": ["1"]})
    with pytest.raises(Invalid, match="only one value"):
        cache.prune(stock.store, {"until": ["1h"], "unused-for": ["2h"]})
    with pytest.raises(Invalid, match="only one value"):
        cache.prune(stock.store, {"type": ["regular", "exec.cachemount"]})


def test_why_names_the_cache(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    hold(stock, image, "one")
    holders = stock.engine.why("app:1").holders
    assert [(item.detail, item.blocks) for item in holders if item.kind == "cache"] == [("RUN one", False)]
    remove(stock, image)
    found = find(stock, "one")
    assert found is not None
    explained = stock.engine.why(found.diff_id)
    assert [(item.kind, item.blocks) for item in explained.holders] == [("cache", True)]
    [command] = explained.commands
    assert command.startswith("ligan builder prune -f --filter id=")


def test_why_explains_a_row_by_its_id_or_the_beginning_of_that(stock: Stock) -> None:
    image = stock.image("abc", names=["app:1"])
    hold(stock, image, "one\n two")
    [record] = cache.records(stock.store)
    explained = stock.engine.why(record.id[:12])
    assert (explained.kind, explained.id, explained.detail) == ("cache", record.id, "RUN one two")
    assert [(item.kind, item.detail) for item in explained.holders] == [("sharing", "app:1")]
    assert explained.commands == (f"ligan builder prune -f -a --filter id={record.id}",)
    assert explained.bytes == 0
    remove(stock, image)
    explained = stock.engine.why(record.id)
    assert (explained.holders, explained.commands) == (
        (),
        (f"ligan builder prune -f --filter id={record.id}",),
    )
    before = _disk(stock)
    assert len(cache.prune(stock.store, {"id": [record.id]}).removed) == 1
    assert explained.bytes == before - _disk(stock)
    with pytest.raises(NotFound):
        stock.engine.why(record.id)


def _disk(stock: Stock) -> int:
    folder = stock.store.layout.blobs
    return sum(os.path.getsize(f"{top}/{name}") for top, _folders, names in os.walk(folder) for name in names)


def test_why_explains_a_cache_mount(stock: Stock) -> None:
    with Locks(stock.store.layout) as locks:
        cache.mount_folder(stock.store, locks, "apt", private=False)
    [record] = cache.records(stock.store)
    explained = stock.engine.why(record.id)
    assert (explained.detail, explained.bytes) == ("cached mount apt from exec", record.size)


def test_a_cache_mount_persists_until_it_is_pruned(stock: Stock) -> None:
    with Locks(stock.store.layout) as locks:
        first = cache.mount_folder(stock.store, locks, "apt", private=False)
        assert first.is_new
        with open(f"{first.path}/file", "w") as file:
            file.write("x" * 100)
        again = cache.mount_folder(stock.store, locks, "apt", private=False)
        assert (again.path, again.is_new) == (first.path, False)
    [record] = cache.records(stock.store)
    assert (record.kind, record.uses) == ("exec.cachemount", 1)
    assert record.size >= 100
    assert stock.engine.fsck() == []
    cache.prune(stock.store, {})
    assert not os.path.exists(first.path)


def test_a_private_cache_mount_is_nobody_elses(stock: Stock) -> None:
    with Locks(stock.store.layout) as one, Locks(stock.store.layout) as two:
        first = cache.mount_folder(stock.store, one, "apt", private=True)
        second = cache.mount_folder(stock.store, two, "apt", private=True)
        assert first.path != second.path
    with Locks(stock.store.layout) as three:
        assert cache.mount_folder(stock.store, three, "apt", private=True).path == first.path


def test_fsck_takes_away_the_folder_of_a_cache_mount_that_has_no_row(stock: Stock) -> None:
    os.makedirs(stock.store.layout.cache("stray"))
    assert [str(fault) for fault in stock.engine.fsck()] == ["folder caches/stray: no row names it"]
    assert stock.engine.fsck(repair=True) == []


def test_a_step_is_made_by_one_at_a_time(stock: Stock) -> None:
    order: list[str] = []
    digest = "ab" * 32
    inside = threading.Event()

    def other() -> None:
        inside.wait()
        with Locks(stock.store.layout) as locks, locks.step(digest):
            order.append("second")

    thread = threading.Thread(target=other)
    thread.start()
    with Locks(stock.store.layout) as locks:
        with locks.step(digest):
            inside.set()
            with locks.step("cd" * 32):  # another step is free
                order.append("first")
            thread.join(0.05)
            assert order == ["first"]
        thread.join()
    assert order == ["first", "second"]
