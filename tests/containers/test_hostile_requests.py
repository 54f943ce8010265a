"""What no kernel, file or database could hold is refused, or replaced, when a container is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ligan.containers import ending
from ligan.containers.creating import CreateRequest
from ligan.errors import Busy, Invalid

if TYPE_CHECKING:
    from ligan.store.store import Store
    from tests.support.homes import Home

pytestmark = pytest.mark.root


def test_bytes_that_are_no_text_become_replacement_characters(home: Home) -> None:
    made = home.engine.create_container(
        CreateRequest(config={"Image": "busybox", "Cmd": ["echo", "\udcff"], "Labels": {"a\udcff": "\ud800"}})
    )
    config = home.row(made.id).config
    assert (config["Cmd"], config["Labels"]) == (["echo", "\ufffd"], {"a\ufffd": "\ufffd"})


@pytest.mark.parametrize("asked", [{"CgroupParent": "a\0b"}, {"CgroupParent": "x" * 256}, {"Dns": ["\0"]}])
def test_what_could_not_be_taken_away_is_not_made(home: Home, asked: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        home.create("true", **asked)
    assert home.engine.list_containers({}, show_all=True) == []


def test_run_that_cannot_be_ended_leaves_others_alone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, other = (home.create("true") for _ in range(2))
    finish = ending.finish
    for container in (stuck, other):
        with home.store.database.write() as tx:
            tx.execute("UPDATE container SET state = 'running', pid = 1 WHERE id = ?", (container,))

    def fail(store: Store, container_id: str) -> object:
        if container_id == stuck:
            raise Busy("processes do not end")
        return finish(store, container_id)

    monkeypatch.setattr(ending, "finish", fail)
    assert [row.id for row in home.engine.list_containers({})] == [stuck]
    with pytest.raises(Busy):
        home.row(stuck)
    monkeypatch.undo()
    assert not home.row(stuck).is_running


def test_signals_that_linux_has_not(home: Home) -> None:
    container = home.start("sleep", "100", config={"StopSignal": "99"})
    before = home.events(container)
    with pytest.raises(Invalid, match="does not support signal -1"):
        home.engine.kill_container(container, "-1")
    assert home.events(container) == before
    assert home.engine.stop_container(container)
    assert home.row(container).exit_code == 137


@pytest.mark.parametrize(
    "request_of",
    [{"IPAM": "x"}, {"IPAM": {"Config": [1]}}, {"Options": []}, {"Labels": {"a": 1}}, {"ConfigFrom": 1}],
)
def test_networks_of_wrong_types(home: Home, request_of: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="invalid network"):
        home.engine.create_network({"Name": "net", **request_of})
