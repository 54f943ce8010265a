"""Rows of containers: resolving, and what a change of state leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ligan.containers import rows
from ligan.containers.mounts import Mount
from ligan.containers.rows import Container, NoSuchContainer
from ligan.errors import Invalid

if TYPE_CHECKING:
    from tests.support.stores import Stock


def _container(stock: Stock, container: str, name: str, **fields: object) -> Container:
    made = Container(
        key=0,
        id=container,
        name=name,
        image=None,
        image_id="",
        layer=None,
        created=stock.now,
        image_name="app",
        driver="vfs",
        config={"Cmd": ["é"]},
        host_config={"Binds": None},
        networking={},
        mounts=(),
        labels={"a": "b"},
    ).replace(**fields)
    with stock.store.database.write() as tx:
        return made.replace(key=rows.insert(tx, made))


@pytest.fixture
def two(stock: Stock) -> tuple[Container, Container]:
    return _container(stock, "ab1" + "0" * 61, "one"), _container(stock, "ab2" + "0" * 61, "two")


@pytest.fixture(autouse=True)
def _no_rows_left(stock: Stock) -> object:
    yield
    with stock.store.database.write() as tx:
        tx.execute("DELETE FROM container")


def test_a_row_comes_back_as_it_was_written(stock: Stock) -> None:
    mounts = (Mount("tmpfs", "", "/t", options="size=1m"), Mount("bind", "/h", "/b", rw=False))
    written = _container(stock, "c" * 64, "web", mounts=mounts, health={"Status": "healthy"}, exit_code=7)
    with stock.store.database.read() as tx:
        assert rows.by_id(tx, "c" * 64) == written


@pytest.mark.parametrize("name", ["one", "/one", "ab1", "ab1" + "0" * 61, "ab1000"])
def test_a_container_is_found_by_id_name_and_beginning(
    stock: Stock, two: tuple[Container, Container], name: str
) -> None:
    with stock.store.database.read() as tx:
        assert rows.resolve(tx, name) == two[0]


def test_a_name_goes_before_the_beginning_of_an_id(stock: Stock, two: tuple[Container, Container]) -> None:
    named = _container(stock, "f" * 64, "ab2")
    with stock.store.database.read() as tx:
        assert rows.resolve(tx, "ab2") == named


@pytest.mark.parametrize("name", ["nosuch", "abc", "ON", "one ", "ab1" + "0" * 62, "//one", "%", "ab*"])
def test_what_is_not_there_is_said_in_dockers_words(
    stock: Stock, two: tuple[Container, Container], name: str
) -> None:
    with stock.store.database.read() as tx, pytest.raises(NoSuchContainer) as error:
        rows.resolve(tx, name)
    assert error.value.message == f"No such container: {name}"


def test_the_beginning_of_several_ids_names_none(stock: Stock, two: tuple[Container, Container]) -> None:
    with stock.store.database.read() as tx, pytest.raises(Invalid) as error:
        rows.resolve(tx, "ab")
    assert error.value.message == "Multiple IDs found with provided prefix: ab"


def test_nothing_names_no_container(stock: Stock) -> None:
    with stock.store.database.read() as tx, pytest.raises(Invalid):
        rows.resolve(tx, "")


def test_a_run_is_written_and_its_end_is_counted(stock: Stock, two: tuple[Container, Container]) -> None:
    key, whole = two[0].key, two[0].id
    with stock.store.database.write() as tx:
        rows.set_running(
            tx, key, pid=5, pid_started=6, conmon_pid=7, conmon_started=8, boot_id="b", now=stock.now
        )
        running = rows.resolve(tx, whole)
        rows.set_ended(tx, key, 3, stock.now + 9, oom_killed=True)
        ended, after = rows.ended(tx, whole), rows.resolve(tx, whole)
    assert (running.state, running.pid, running.started) == ("running", 5, stock.now)
    assert running.is_running
    assert ended == rows.Ended(whole, 1, 3, "", False, False)
    assert (after.state, after.pid, after.finished, after.oom_killed) == ("exited", 0, stock.now + 9, True)


def test_a_failed_start_changes_no_state(stock: Stock, two: tuple[Container, Container]) -> None:
    with stock.store.database.write() as tx:
        rows.set_start_failed(tx, two[0].key, 127, "no such file")
        found = rows.resolve(tx, two[0].id)
    assert (found.state, found.exit_code, found.error) == ("created", 127, "no such file")
