"""Random scripts get the same answers from a real dockerd and from Ligan."""

from __future__ import annotations

import os
import shlex

import pytest

from tests.differential import engines
from tests.differential.scripts import script


@pytest.mark.dockerd
@pytest.mark.parametrize("seed", range(24))
def test_same_answers(seed: int, dockerd: str, store_root: str, tmp_path: os.PathLike[str]) -> None:
    steps = script(seed)
    found = engines.unlike(steps, dockerd, os.fspath(tmp_path), store_root)
    if found:
        index, difference = found
        told = (shlex.join(step.argv) for step in steps[: index + 1])
        pytest.fail(
            "\n".join([*told, difference, f"Shorter: python -m tests.differential {seed}"]), pytrace=False
        )
