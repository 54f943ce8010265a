"""New names for containers, and new limits; the words are those of dockerd 20.10.24."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ligan.containers.rows import NoSuchContainer
from ligan.errors import Conflict, Invalid
from tests.support.containers import events, found, image, make

if TYPE_CHECKING:
    from tests.support.stores import Stock


@pytest.fixture(autouse=True)
def app(stock: Stock) -> str:
    return image(stock, "app")


def test_a_new_name(stock: Stock) -> None:
    container = make(stock, "one")
    stock.engine.rename_container("one", "/two")
    assert found(stock, "two").id == container.id
    assert events(stock)[-1] == ("rename", {"image": "app", "name": "two", "oldName": "/one"})
    with pytest.raises(NoSuchContainer):
        found(stock, "one")


def test_refused_names(stock: Stock) -> None:
    other = make(stock, "other")
    make(stock, "one")
    for name, words in (
        (
            "other",
            'Error when allocating new name: Conflict. The container name "/other" is already in use by '
            f'container "{other.id}". You have to remove (or rename) that container to be able to reuse that '
            "name.",
        ),
        ("", "Neither old nor new names may be empty"),
        ("one", "Renaming a container with the same name as its current name"),
        (
            "b d",
            "Error when allocating new name: Invalid container name (/b d), "
            "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
        ),
    ):
        with pytest.raises((Invalid, Conflict)) as error:
            stock.engine.rename_container("one", name)
        assert error.value.message == words
    with pytest.raises(NoSuchContainer):
        stock.engine.rename_container("nosuch", "three")


def test_new_limits(stock: Stock) -> None:
    make(stock, "web", host={"Memory": 20 << 20, "CpuShares": 5})
    changes = {"Memory": 30 << 20, "MemorySwap": -1, "RestartPolicy": {"Name": "always"}, "PidsLimit": 9}
    assert stock.engine.update_container("web", changes) == []
    host = found(stock, "web").host_config
    assert (host["Memory"], host["MemorySwap"], host["CpuShares"]) == (30 << 20, -1, 5)
    assert (host["RestartPolicy"]["Name"], host["PidsLimit"]) == ("always", 9)
    assert events(stock)[-1][0] == "update"


@pytest.mark.parametrize(
    ("host", "changes", "words"),
    [
        ({}, {"Memory": 1}, "Minimum memory limit allowed is 6MB"),
        (
            {},
            {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 1}},
            "maximum retry count cannot be used with restart policy 'no'",
        ),
        (
            {"Memory": 10 << 20, "MemorySwap": 20 << 20},
            {"Memory": 30 << 20},
            "Cannot update container ID: Memory limit should be smaller than already set memoryswap limit, "
            "update the memoryswap at the same time",
        ),
        (
            {"CpuPeriod": 2000},
            {"NanoCpus": 10**9},
            "Cannot update container ID: Conflicting options: "
            "Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            {"AutoRemove": True},
            {"RestartPolicy": {"Name": "always"}},
            "Cannot update container ID: "
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ),
    ],
)
def test_refused_limits(stock: Stock, host: dict[str, Any], changes: dict[str, Any], words: str) -> None:
    container = make(stock, "web", host=host)
    with pytest.raises((Invalid, Conflict)) as error:
        stock.engine.update_container("web", changes)
    assert error.value.message == words.replace("ID", container.id)
    assert found(stock, "web") == container
