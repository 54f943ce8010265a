"""Random scripts get the same answers from a real dockerd and from Ligan."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.differential import engines
from tests.differential.scripts import script
from tests.support.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.differential.engines import Engine
    from tests.support.serving import Daemon


@pytest.fixture
def daemon(store_root: str) -> Iterator[Daemon]:
    with serving(store_root) as daemon:
        yield daemon


def check(seed: int, dockerd: str, folder: str, ligan: Engine) -> None:
    steps = script(seed)
    found = engines.unlike(steps, engines.docker(dockerd, os.path.join(folder, "docker")), ligan)
    if found:
        index, difference = found
        told = (shlex.join(step.argv) for step in steps[: index + 1])
        pytest.fail(
            "\n".join([*told, difference, f"Shorter: python -m tests.differential {seed}"]), pytrace=False
        )


@pytest.mark.dockerd
@pytest.mark.parametrize("seed", range(24))
def test_same_answers(seed: int, dockerd: str, store_root: str, tmp_path: os.PathLike[str]) -> None:
    folder = os.fspath(tmp_path)
    check(seed, dockerd, folder, engines.ligan(store_root, os.path.join(folder, "ligan")))


@pytest.mark.dockerd
@pytest.mark.parametrize("seed", range(24, 40))
def test_same_answers_through_the_api(
    seed: int, dockerd: str, daemon: Daemon, tmp_path: os.PathLike[str]
) -> None:
    folder = os.fspath(tmp_path)
    check(seed, dockerd, folder, engines.ligan_daemon(daemon.host, os.path.join(folder, "ligan")))
