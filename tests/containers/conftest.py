"""Containers without a store: a root file system, bundles, the real runtime and conmon."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from ligan.containers.cgroups import remove_cgroups
from tests.support.bundles import CGROUP, Bundle, leaks, unpack_busybox
from tests.support.homes import Home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    NewBundle = Callable[[], Bundle]


@pytest.fixture(scope="session")
def busybox(base_images: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The path of busybox's root file system, which tests only read."""
    folder = str(tmp_path_factory.mktemp("busybox"))
    unpack_busybox(base_images, folder)
    yield folder
    remove_cgroups(CGROUP)


@pytest.fixture
def new_bundle(busybox: str, tmp_path: os.PathLike[str]) -> Iterator[NewBundle]:
    """Make a bundle. When the test is over, nothing may be left of any."""
    made: list[Bundle] = []

    def make() -> Bundle:
        # A name of this test and process: cgroups have names that all of the machine shares.
        name = f"{os.path.basename(tmp_path)}-{os.getpid()}-{len(made)}"
        made.append(Bundle(os.path.join(tmp_path, name), busybox))
        return made[-1]

    yield make
    for bundle in made:
        bundle.delete()
    assert leaks(str(tmp_path), [bundle.id for bundle in made]) == []


@pytest.fixture
def bundle(new_bundle: NewBundle) -> Bundle:
    return new_bundle()


@pytest.fixture(scope="session")
def homeland(base_images: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a store with the base images, to be copied."""
    root = str(tmp_path_factory.mktemp("homeland") / "root")
    home = Home(root)
    home.load(base_images)
    home.close()
    return root


@pytest.fixture
def home(homeland: str, store_root: str) -> Iterator[Home]:
    """A store with the base images. When the test is over, no container may have left anything."""
    shutil.copytree(homeland, store_root)
    home = Home(store_root)
    yield home
    home.close()
