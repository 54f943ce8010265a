"""A daemon for each test of the API."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.dockers import containing
from tests.support.homes import Home
from tests.support.serving import Daemon, serving
from tests.support.waiting import alone

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def daemon(store_root: str) -> Iterator[Daemon]:
    """`ligan serve` on an empty store, which must be sound when the daemon has stopped."""
    with serving(store_root) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def stocked_root(base_images: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a store with the base images, to be copied."""
    root = str(tmp_path_factory.mktemp("stocked") / "root")
    home = Home(root)
    home.load(base_images)
    home.close()
    return root


@pytest.fixture
def isolated(stocked_root: str, store_root: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A daemon whose containers have no network. At the end nothing of them may be left."""
    monkeypatch.setenv("LIGAN_BRIDGE", "false")
    shutil.copytree(stocked_root, store_root)
    with containing(store_root) as daemon:
        yield daemon


@pytest.fixture
def networked(stocked_root: str, store_root: str) -> Iterator[Daemon]:
    """A daemon whose containers are on a bridge. At the end nothing of them may be left on this host.

    One test at a time, of all workers: two stores that begin together would take the same free subnet.
    """
    shutil.copytree(stocked_root, store_root)
    with alone(__file__), containing(store_root) as daemon:
        yield daemon
