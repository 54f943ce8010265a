"""Random scripts about containers get the same answers from a real dockerd and Ligan, and leave nothing."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest

from ligan.containers import cgroups
from tests.differential import engines
from tests.differential.container_scripts import ARCHIVE, script
from tests.support.archives import Item, docker_archive, read_image
from tests.support.dockers import containing
from tests.support.homes import Home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.differential.engines import Engine
    from tests.support.serving import Daemon


@pytest.fixture
def home(store_root: str) -> Iterator[str]:
    """The path of a store whose containers must leave no mount, process or file behind."""
    yield store_root
    Home(store_root).close()


@pytest.fixture
def daemon(store_root: str) -> Iterator[Daemon]:
    with containing(store_root) as daemon:
        yield daemon


def check(seed: int, base_images: str, docker: Engine, ligan: Engine) -> None:
    busybox = docker_archive([Item(read_image(base_images, "busybox:latest"), ("busybox:latest",))])
    for engine in (docker, ligan):
        with open(engine.path(ARCHIVE), "wb") as file:
            file.write(busybox)
    steps = script(seed)
    found = engines.unlike(steps, docker, ligan, makes_ids=True)
    if found:
        index, difference = found
        told = (shlex.join(step.argv) for step in steps[: index + 1])
        pytest.fail("\n".join([*told, difference]), pytrace=False)
    # The script ends with the removal of every container.
    assert not any(cgroups.folders(f"/ligan/{container}") for container in ligan.ids.values())


@pytest.mark.dockerd
@pytest.mark.parametrize("seed", range(3))
def test_same_containers(
    seed: int, base_images: str, dockerd: str, home: str, tmp_path: os.PathLike[str]
) -> None:
    folder = os.fspath(tmp_path)
    docker = engines.docker(dockerd, os.path.join(folder, "docker"))
    check(seed, base_images, docker, engines.ligan(home, os.path.join(folder, "ligan")))


@pytest.mark.dockerd
@pytest.mark.parametrize("seed", range(3, 8))
def test_same_containers_through_the_api(
    seed: int, base_images: str, dockerd: str, daemon: Daemon, tmp_path: os.PathLike[str]
) -> None:
    folder = os.fspath(tmp_path)
    docker = engines.docker(dockerd, os.path.join(folder, "docker"))
    check(seed, base_images, docker, engines.ligan_daemon(daemon.host, os.path.join(folder, "ligan")))
