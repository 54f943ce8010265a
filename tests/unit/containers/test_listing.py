"""ps: its filters, its words, and what it shows of the image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ligan.containers.listing import status_text
from ligan.errors import Invalid, NotFound
from tests.support.containers import image, make, set_state
from tests.support.stores import SECOND

if TYPE_CHECKING:
    from tests.support.stores import Stock


@pytest.fixture(autouse=True)
def app(stock: Stock) -> str:
    return image(stock, "app")


def _names(stock: Stock, **filters: list[str]) -> list[str]:
    filters = {name.replace("_", "-"): values for name, values in filters.items()}
    return [item.names[0][1:] for item in stock.engine.list_containers(filters, show_all=True)]


def _several(stock: Stock, *names: str) -> None:
    for name in names:
        make(stock, name)
        stock.now += SECOND


@pytest.mark.parametrize(
    ("state", "started", "finished", "health", "expected"),
    [
        ("created", 0, 0, "", "Created"),
        ("running", 97, 0, "", "Up 3 seconds"),
        ("running", 97, 50, "starting", "Up 3 seconds (health: starting)"),
        ("running", 97, 0, "healthy", "Up 3 seconds (healthy)"),
        ("running", 97, 0, "none", "Up 3 seconds"),
        ("paused", 97, 0, "healthy", "Up 3 seconds (Paused)"),
        ("restarting", 90, 99, "", "Restarting (7) 1 second ago"),
        ("exited", 90, 100, "", "Exited (7) Less than a second ago"),
        ("exited", 90, 0, "", ""),
        ("removing", 90, 95, "", "Removal In Progress"),
        ("dead", 90, 95, "", "Dead"),
    ],
)
def test_status(state: str, started: int, finished: int, health: str, expected: str) -> None:
    times = (started * SECOND, finished * SECOND)
    assert status_text(state, *times, 7, health, 100 * SECOND) == expected


def test_a_row(stock: Stock, app: str) -> None:
    container = make(stock, "web", Cmd=["sh", "-c", "a b"], Labels={"x": "y"}, host={"Binds": ["data:/d"]})
    (row,) = stock.engine.list_containers({}, show_all=True, size=True)
    assert row.id == container.id
    assert (row.names, row.image, row.image_id) == (("/web",), "app", app)
    assert (row.command, row.created) == ("sh -c 'a b'", stock.now // SECOND)
    assert (row.state, row.status, row.network_mode, row.ports) == ("created", "Created", "default", ())
    assert (row.labels, row.size_rw, row.size_root) == ({"x": "y"}, 0, len(b"content"))
    assert [mount["Name"] for mount in row.mounts] == ["data"]
    assert list(row.networks) == ["bridge"]


def test_newest_first_and_only_what_runs(stock: Stock) -> None:
    _several(stock, "one", "two", "three")
    assert _names(stock) == ["three", "two", "one"]
    assert stock.engine.list_containers({}) == []
    assert [item.names for item in stock.engine.list_containers({}, limit=2)] == [("/three",), ("/two",)]
    assert stock.engine.list_containers({"status": ["created"]}, limit=0) != []


def test_filters_of_names_ids_and_labels(stock: Stock) -> None:
    one, two = make(stock, "web-one", Labels={"a": "1"}), make(stock, "web-two", Labels={"a": "2", "b": ""})
    assert _names(stock, name=["one"]) == ["web-one"]
    assert _names(stock, name=["^/web-t"]) == ["web-two"]
    assert _names(stock, name=["^web-t", "one$"]) == ["web-two", "web-one"]
    assert _names(stock, name=["("]) == []
    assert _names(stock, id=[one.id[:12]]) == ["web-one"]
    assert _names(stock, id=[two.id], name=["one"]) == []
    assert _names(stock, label=["a"]) == ["web-two", "web-one"]
    assert _names(stock, label=["a=2", "b"]) == ["web-two"]


def test_filters_of_state(stock: Stock) -> None:
    good, bad = make(stock, "good"), make(stock, "bad")
    set_state(stock, good, "exited", exit_code=0, started=1, finished=2)
    set_state(stock, bad, "exited", exit_code=7, started=1, finished=2)
    make(stock, "new")
    assert _names(stock, exited=["0"]) == ["good"]
    assert _names(stock, exited=["0", "7"]) == ["bad", "good"]
    assert _names(stock, status=["exited"]) == ["bad", "good"]
    assert _names(stock, status=["created", "dead"]) == ["new"]
    set_state(stock, bad, "exited", health=json.dumps({"Status": "unhealthy"}))
    assert _names(stock, health=["unhealthy"]) == ["bad"]
    assert _names(stock, health=["none"]) == ["new", "good"]
    assert _names(stock, is_task=["false"]) == ["new", "bad", "good"]
    assert _names(stock, is_task=["true"]) == []


def test_filters_of_order(stock: Stock) -> None:
    _several(stock, "one", "two", "three")
    assert _names(stock, before=["two"]) == ["one"]
    assert _names(stock, since=["two"]) == ["three"]
    assert _names(stock, since=["one"], before=["three"]) == ["two"]
    with pytest.raises(NotFound):
        _names(stock, before=["nosuch"])


def test_ancestors_go_down_the_parents(stock: Stock, app: str) -> None:
    child = stock.image("a", "b", names=["child"], parent=app)  # type: ignore[arg-type]  # an ImageID
    make(stock, "of-app")
    make(stock, "of-child", of="child", Cmd=["x"])
    image(stock, "other", files={"other": b""})
    make(stock, "of-other", of="other")
    assert _names(stock, ancestor=["app"]) == ["of-child", "of-app"]
    assert _names(stock, ancestor=[child[7:19]]) == ["of-child"]
    assert _names(stock, ancestor=["nosuch"]) == []
    assert _names(stock, ancestor=["nosuch", "other"]) == ["of-other"]


def test_filters_of_volumes_networks_and_ports(stock: Stock) -> None:
    one = make(stock, "one", host={"Binds": ["data:/d", "/usr:/h"], "NetworkMode": "mine"})
    make(stock, "two")
    for value in ("data", "/d", "/usr", "/h"):
        assert _names(stock, volume=[value]) == ["one"]
    assert _names(stock, volume=["nosuch"]) == []
    assert _names(stock, network=["mine"]) == ["one"]
    assert _names(stock, network=["bridge", "mine"]) == ["two", "one"]
    ports: dict[str, Any] = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "53/udp": None}  # noqa: S104
    set_state(stock, one, "exited", networking=json.dumps(one.networking | {"Ports": ports}))
    assert _names(stock, publish=["8080"]) == _names(stock, publish=["8000-9000/tcp"]) == ["one"]
    assert _names(stock, publish=["80"]) == _names(stock, publish=["8080/udp"]) == []
    assert _names(stock, expose=["80"]) == _names(stock, expose=["53/udp"]) == ["one"]
    (row,) = stock.engine.list_containers({"name": ["one"]}, show_all=True)
    assert row.ports == (
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},  # noqa: S104
        {"PrivatePort": 53, "Type": "udp"},
    )


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"nope": ["1"]}, "Invalid filter 'nope'"),
        ({"status": ["bogus"]}, "Invalid filter 'status=bogus'"),
        ({"health": ["bogus"]}, "Unrecognised filter value for health: bogus"),
        ({"is-task": ["bogus"]}, "Invalid filter 'is-task=[bogus]'"),
        ({"exited": ["x"]}, 'strconv.Atoi: parsing "x": invalid syntax'),
        (
            {"expose": ["x"]},
            'error while looking up for expose x: strconv.ParseUint: parsing "x": invalid syntax',
        ),
        ({"publish": ["1:2"]}, "filter for 'publish' should not contain ':': 1:2"),
    ],
)
def test_bad_filters(stock: Stock, filters: dict[str, list[str]], words: str) -> None:
    with pytest.raises(Invalid) as error:
        stock.engine.list_containers(filters)
    assert error.value.message == words


def test_a_name_that_means_another_image_gives_way_to_the_id(stock: Stock, app: str) -> None:
    make(stock, "by-name")
    make(stock, "by-id", of=app)
    make(stock, "by-short", of=app[7:19])
    shown = {item.names[0]: item.image for item in stock.engine.list_containers({}, show_all=True)}
    assert shown == {"/by-name": "app", "/by-id": app, "/by-short": app[7:19]}
    stock.name(stock.image("other"), "app")
    shown = {item.names[0]: item.image for item in stock.engine.list_containers({}, show_all=True)}
    assert shown == {"/by-name": app, "/by-id": app, "/by-short": app[7:19]}


def test_a_link_is_a_name_too(stock: Stock) -> None:
    make(stock, "db")
    make(stock, "web", host={"Links": ["db:database", "/db:/x/y"]})
    shown = {item.names for item in stock.engine.list_containers({}, show_all=True)}
    assert shown == {("/web",), ("/db", "/web/database", "/web/y")}
    document = stock.engine.inspect_container("web")
    assert document["HostConfig"]["Links"] == ["/db:/web/database", "/db:/web/y"]
    stock.engine.remove_container("/web/y", link=True)
    assert stock.engine.inspect_container("web")["HostConfig"]["Links"] == ["/db:/web/database"]
