"""Removing containers: what goes with them, what stays, and what undo still holds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ligan.containers.rows import NoSuchContainer
from ligan.errors import Conflict, Invalid
from tests.support.containers import events, image, make, set_state
from tests.support.stores import HOUR, SECOND

if TYPE_CHECKING:
    from tests.support.stores import Stock


@pytest.fixture(autouse=True)
def app(stock: Stock) -> str:
    return image(stock, "app")


def _left(stock: Stock) -> list[str]:
    return [item.names[0][1:] for item in stock.engine.list_containers({}, show_all=True)]


def test_nothing_is_left_of_it(stock: Stock) -> None:
    container = make(stock, "web", Labels={"a": "b"})
    stock.engine.remove_container("web")
    assert _left(stock) == []
    assert not os.path.exists(stock.store.layout.container(container.id))
    assert events(stock)[-1] == ("destroy", {"a": "b", "image": "app", "name": "web"})
    with pytest.raises(NoSuchContainer):
        stock.engine.remove_container("web")


def test_its_name_is_free_again(stock: Stock) -> None:
    make(stock, "web")
    stock.engine.remove_container("web")
    assert make(stock, "web").name == "web"


def test_anonymous_volumes_go_only_when_asked_and_unused(stock: Stock) -> None:
    host = {"Binds": ["data:/d"]}
    make(stock, "one", host=host, Volumes={"/v": {}})
    make(stock, "two", host={"VolumesFrom": ["one"]})
    make(stock, "three", host=host, Volumes={"/v": {}})
    stock.engine.remove_container("three")
    assert len(stock.engine.list_volumes({})) == 3
    stock.engine.remove_container("one", volumes=True)
    assert len(stock.engine.list_volumes({})) == 3, "two uses it still"
    stock.engine.remove_container("two", volumes=True)
    assert len(stock.engine.list_volumes({})) == 2
    assert "data" in [volume["Name"] for volume in stock.engine.list_volumes({})]


def test_a_volume_that_was_asked_for_by_its_name_is_not_anonymous_to_rm(stock: Stock) -> None:
    name = stock.engine.create_volume("", "", {}, {})["Name"]
    make(stock, "web", host={"Binds": [f"{name}:/d"]})
    stock.engine.remove_container("web", volumes=True)
    assert [volume["Name"] for volume in stock.engine.list_volumes({})] == [name]


def test_layers_of_a_forced_removal_go_with_the_last_container(stock: Stock) -> None:
    make(stock, "one")
    make(stock, "two")
    stock.engine.remove_images(["app"], force=True, now=True)
    assert stock.dump()["layer"]
    stock.engine.remove_container("one")
    assert stock.dump()["layer"]
    stock.engine.remove_container("two")
    assert stock.dump()["layer"] == []
    assert os.listdir(stock.store.layout.blobs) == []


def test_layers_that_undo_holds_stay(stock: Stock, app: str) -> None:
    make(stock, "web")
    stock.engine.remove_images(["app"], force=True)
    stock.engine.remove_container("web")
    assert stock.dump()["layer"] == [], "it does not exist any more, to Docker"
    stock.engine.undo()
    assert stock.names() == {"app:latest": app}
    assert make(stock, "again").layer is not None


def test_what_holds_an_image_is_told_with_real_rows(stock: Stock, app: str) -> None:
    """Golden d_rmi_in_use."""
    container = make(stock, "web")
    short = container.id[:12]
    outcome = stock.engine.remove_images(["app"])
    assert str(outcome.arguments[0].error) == (
        f'conflict: unable to remove repository reference "app" (must force) - '
        f"container {short} is using its referenced image {app[7:19]}"
    )
    outcome = stock.engine.remove_images([app[7:]])
    assert str(outcome.arguments[0].error) == (
        f"conflict: unable to delete {app[7:19]} (must be forced) - "
        f"image is being used by stopped container {short}"
    )
    assert short in [holder.name for holder in stock.engine.why("app").holders]
    assert [usage.containers for usage in stock.engine.image_usage()] == [1]
    assert stock.engine.prune_images({"dangling": ["false"]}).rows == ()
    set_state(stock, container, "paused")
    outcome = stock.engine.remove_images([app[7:]], force=True)
    assert "(cannot be forced) - image is being used by running container" in str(outcome.arguments[0].error)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("running", "Stop the container before attempting removal or force remove"),
        ("paused", "Unpause and then stop the container before attempting removal or force remove"),
        ("restarting", "Stop the container before attempting removal or force remove"),
    ],
)
def test_one_that_runs_stays(stock: Stock, state: str, words: str) -> None:
    from ligan.containers.removing import remove

    container = make(stock, "web")
    set_state(stock, container, state)
    with pytest.raises(Conflict) as error:
        remove(stock.store, "web")
    assert error.value.message == f"You cannot remove a {state} container {container.id}. {words}"
    set_state(stock, container, "exited")


def test_links_are_not_containers(stock: Stock) -> None:
    make(stock, "web")
    with pytest.raises(Conflict) as error:
        stock.engine.remove_container("web", link=True)
    assert error.value.message == "Conflict, cannot remove the default link name of the container"
    with pytest.raises(NoSuchContainer, match="No such container: nosuch/x"):
        stock.engine.remove_container("nosuch/x", link=True)
    assert _left(stock) == ["web"]


def test_prune(stock: Stock) -> None:
    first = make(stock, "old", Labels={"keep": "1"})
    stock.now += 2 * HOUR
    new, runs = make(stock, "new"), make(stock, "runs")
    with open(f"{stock.store.layout.upper(new.id)}/file", "wb") as file:
        file.write(b"12345")
    set_state(stock, runs, "restarting")
    from ligan.containers.removing import prune

    assert prune(stock.store, {"until": ["1h"], "label!": ["keep"]}).containers == ()
    outcome = prune(stock.store, {"label!": ["keep"]})
    assert (outcome.containers, outcome.size) == ((new.id,), 5)
    assert events(stock)[-1] == ("prune", {"reclaimed": "5"})
    assert prune(stock.store, {"until": ["1h"], "label": ["keep=1"]}).containers == (first.id,)
    assert prune(stock.store, {}).containers == ()
    set_state(stock, runs, "exited")
    for filters in ({"bogus": ["1"]}, {"until": ["1h", "2h"]}):
        with pytest.raises(Invalid):
            prune(stock.store, filters)


def test_prune_leaves_what_is_being_started(stock: Stock) -> None:
    from ligan.containers.locking import Locked

    container = make(stock, "web")
    make(stock, "other")
    with Locked(stock.store.layout, container.id):
        assert len(stock.engine.prune_containers({}).containers) == 1
    assert _left(stock) == ["web"]


def test_many_are_pruned_in_turns(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    from ligan.containers import removing

    monkeypatch.setattr(removing, "_BATCH", 2)
    made = []
    for _ in range(5):
        made.append(make(stock).id)
        stock.now += SECOND
    assert list(stock.engine.prune_containers({}).containers) == made
