"""Folders that come with rows: none is left of a container or volume that was never made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ligan.containers.creating import CreateRequest
from ligan.errors import LiganError
from ligan.store import failpoints, fsck
from tests.support.containers import image, make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.stores import Stock

REQUEST = CreateRequest(config={"Image": "app"}, host_config={"Binds": ["data:/d"]})


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.disarm()


def _folders(stock: Stock) -> list[str]:
    layout = stock.store.layout
    return [
        name
        for folder in (layout.containers, layout.volumes)
        if os.path.isdir(folder)
        for name in os.listdir(folder)
    ]


def _killed(stock: Stock, point: str, verb: Callable[[], object]) -> None:
    """Run the verb in a process that is killed at the point."""
    child = os.fork()
    if child == 0:
        failpoints.arm(f"{point}=kill")
        verb()
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


@pytest.mark.parametrize(
    "verb",
    [
        lambda stock: stock.engine.create_container(REQUEST),
        lambda stock: stock.engine.create_volume("data", "", {}, {}),
    ],
    ids=["container", "volume"],
)
def test_an_error_takes_them_back(stock: Stock, verb: Callable[[Stock], object]) -> None:
    image(stock, "app")
    failpoints.arm("create.rows=eio")
    with pytest.raises((LiganError, OSError)):
        verb(stock)
    assert _folders(stock) == []


def test_what_a_killed_process_announced_goes(stock: Stock) -> None:
    image(stock, "app")
    _killed(stock, "create.rows", lambda: stock.engine.create_container(REQUEST))
    assert len(_folders(stock)) == 2
    stock.store.recover()
    assert _folders(stock) == []


def test_what_was_made_by_then_stays(stock: Stock) -> None:
    image(stock, "app")
    _killed(stock, "create.done", lambda: stock.engine.create_container(REQUEST))
    stock.store.recover()
    assert len(_folders(stock)) == 2
    (row,) = stock.engine.list_containers({}, show_all=True)
    stock.engine.remove_container(row.id)


def test_a_removal_that_was_killed_is_done_all_the_same(stock: Stock) -> None:
    image(stock, "app")
    for point, left in (("rm.rows", 1), ("rm.done", 0)):
        container = make(stock, point)
        _killed(stock, point, lambda container=container: stock.engine.remove_container(container.id))  # type: ignore[misc]
        stock.store.recover()
        assert len(stock.engine.list_containers({"name": [point]}, show_all=True)) == left


def test_fsck_finds_folders_without_rows_but_leaves_what_a_volume_holds(stock: Stock) -> None:
    layout = stock.store.layout
    for folder in (layout.container("c" * 64), layout.volume_data("empty"), layout.volume_data("full")):
        os.makedirs(folder)
    with open(f"{layout.volume_data('full')}/file", "wb"):
        pass
    subjects = {fault.subject for fault in fsck.check(stock.store.database, layout)}
    assert subjects == {f"folder containers/{'c' * 64}", "folder volumes/empty"}
    fsck.repair(stock.store.database, layout)
    assert _folders(stock) == ["full"]
