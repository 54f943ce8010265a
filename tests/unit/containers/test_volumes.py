"""Volumes; the words are those of dockerd 20.10.24."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Conflict, Invalid, NotFound
from tests.support.containers import events, image, make

if TYPE_CHECKING:
    from tests.support.stores import Stock


def _create(stock: Stock, name: str, **labels: str) -> None:
    stock.engine.create_volume(name, "", {}, labels)


def test_a_volume_is_a_folder_that_all_may_enter(stock: Stock) -> None:
    document = stock.engine.create_volume("data", "local", {}, {"b": "2", "a": "1"})
    assert document == stock.engine.inspect_volume("data")
    assert list(document.items()) == [
        ("CreatedAt", "2023-11-14T22:13:20Z"),
        ("Driver", "local"),
        ("Labels", {"a": "1", "b": "2"}),
        ("Mountpoint", f"{stock.store.layout.root}/volumes/data/_data"),
        ("Name", "data"),
        ("Options", None),
        ("Scope", "local"),
    ]
    assert os.stat(document["Mountpoint"]).st_mode & 0o777 == 0o755
    assert events(stock, "volume") == [("create", {"driver": "local"})]


def test_a_volume_that_is_there_stays_as_it_is(stock: Stock) -> None:
    _create(stock, "data", a="1")
    assert stock.engine.create_volume("data", "", {}, {"other": "2"})["Labels"] == {"a": "1"}
    assert len(stock.engine.list_volumes({})) == 1


def test_without_a_name_one_is_drawn(stock: Stock) -> None:
    assert len(stock.engine.create_volume("", "", {}, {})["Name"]) == 64


@pytest.mark.parametrize(
    ("name", "driver", "options", "words"),
    [
        ("x", "", {}, "volume name is too short, names should be at least two alphanumeric characters"),
        (
            "a/b",
            "",
            {},
            '"a/b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" '
            "are allowed. If you intended to pass a host directory, use absolute path",
        ),
        ("vv", "foo", {}, 'error looking up volume plugin foo: plugin "foo" not found'),
        ("vv", "", {"bogus": "1"}, 'invalid option: "bogus"'),
        ("vv", "", {"type": "tmpfs"}, 'missing required option: "device"'),
    ],
)
def test_refused(stock: Stock, name: str, driver: str, options: dict[str, str], words: str) -> None:
    with pytest.raises((Invalid, NotFound)) as error:
        stock.engine.create_volume(name, driver, options, {})
    assert error.value.message == f"create {name}: {words}"
    assert stock.engine.list_volumes({}) == []


def test_filters(stock: Stock) -> None:
    image(stock, "app")
    _create(stock, "one", a="1")
    _create(stock, "two", a="2", b="")
    make(stock, host={"Binds": ["two:/d"]})

    def names(**filters: list[str]) -> list[str]:
        return [volume["Name"] for volume in stock.engine.list_volumes(filters)]

    assert names() == ["one", "two"]
    assert names(dangling=["true"]) == names(dangling=["1"]) == ["one"]
    assert names(dangling=["false"]) == ["two"]
    assert names(label=["a"]) == ["one", "two"]
    assert names(label=["a=2", "b"]) == ["two"]
    assert names(name=["o"]) == ["one", "two"]
    assert names(name=["^t"]) == ["two"]
    assert names(driver=["local"]) == ["one", "two"]
    assert names(driver=["other"]) == []
    for filters, words in (({"bogus": ["1"]}, "bogus"), ({"dangling": ["x"]}, "dangling=[x]")):
        with pytest.raises(Invalid) as error:
            names(**filters)
        assert error.value.message == f"Invalid filter '{words}'"


def test_what_is_used_stays(stock: Stock) -> None:
    image(stock, "app")
    container = make(stock, "web", host={"Binds": ["data:/d", "data:/e"]})
    with pytest.raises(Conflict) as error:
        stock.engine.remove_volume("data")
    assert error.value.message == f"remove data: volume is in use - [{container.id}]"
    stock.engine.remove_container("web", volumes=True)
    stock.engine.remove_volume("data")
    assert not os.path.exists(stock.store.layout.volume("data"))
    assert [action for action, _ in events(stock, "volume")] == ["create", "create", "destroy"]


def test_what_is_not_there(stock: Stock) -> None:
    for call in (stock.engine.remove_volume, stock.engine.inspect_volume):
        with pytest.raises(NotFound) as error:
            call("nope")
        assert error.value.message == "get nope: no such volume"
    stock.engine.remove_volume("nope", force=True)


def test_prune_takes_what_nothing_uses(stock: Stock) -> None:
    image(stock, "app")
    make(stock, host={"Binds": ["used:/d"]})
    _create(stock, "free", keep="1")
    _create(stock, "left")
    anonymous = stock.engine.create_volume("", "", {}, {})["Name"]
    for name in ("free", "left"):
        with open(f"{stock.store.layout.volume_data(name)}/file", "wb") as file:
            file.write(b"12345")
    assert stock.engine.prune_volumes({"all": ["0"]}) == ([anonymous], 0)
    assert stock.engine.prune_volumes({"label!": ["keep"]}) == (["left"], 5)
    assert stock.engine.prune_volumes({"label": ["keep=1"]}) == (["free"], 5)
    assert [volume["Name"] for volume in stock.engine.list_volumes({})] == ["used"]
    assert events(stock, "volume")[-1] == ("prune", {"reclaimed": "5"})
    with pytest.raises(Invalid):
        stock.engine.prune_volumes({"dangling": ["true"]})


@pytest.mark.root
def test_a_volume_with_options_is_mounted_while_it_is_needed(stock: Stock, tmp_path: object) -> None:
    from ligan.containers.volume_mounts import mount_all, unmount_all

    image(stock, "app")
    source = f"{tmp_path}/source"
    os.mkdir(source)
    with open(f"{source}/file", "wb"):
        pass
    stock.engine.create_volume("bound", "", {"type": "none", "o": "bind", "device": source}, {})
    one, other = (make(stock, host={"Binds": ["bound:/d"]}) for _ in range(2))
    data = stock.store.layout.volume_data("bound")
    mark = stock.store.layout.running(other.id)
    os.makedirs(os.path.dirname(mark), exist_ok=True)
    try:
        for container in (one, other):
            mount_all(stock.store, container.mounts)
            assert os.listdir(data) == ["file"]
        with open(mark, "wb"):
            pass
        unmount_all(stock.store, one.mounts, one.id)
        assert os.listdir(data) == ["file"], "another container needs it"
        os.unlink(mark)
    finally:
        unmount_all(stock.store, other.mounts, other.id)
    assert os.listdir(data) == []
    assert os.listdir(source) == ["file"]


@pytest.mark.root
def test_what_cannot_be_mounted_is_told(stock: Stock) -> None:
    from ligan.containers.volume_mounts import mount_all
    from ligan.errors import Unavailable

    image(stock, "app")
    stock.engine.create_volume("bad", "", {"type": "none", "o": "bind", "device": "/no/such"}, {})
    container = make(stock, host={"Binds": ["bad:/d"]})
    with pytest.raises(Unavailable, match=r"error while mounting volume '.*/_data': failed to mount local"):
        mount_all(stock.store, container.mounts)


def test_a_name_that_no_folder_can_have_is_refused(stock: Stock) -> None:
    with pytest.raises(Invalid, match="file name too long"):
        _create(stock, "x" * 256)


def test_labels_that_are_no_text_are_made_text(stock: Stock) -> None:
    _create(stock, "text", a="\udcff")
    assert stock.engine.inspect_volume("text")["Labels"] == {"a": "\ufffd"}
