"""The tour in the README works when pasted."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.homes import Home

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _tour(part: int) -> list[str]:
    """Return the lines of one of the tour's blocks."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    return text.split("## A tour of a minute")[1].split("```sh\n")[part].split("```")[0].splitlines()


@pytest.mark.parametrize(
    ("part", "refusals"),
    [
        (1, ["ligan rmi 3f2f000812a3"]),
        pytest.param(2, ["ligan rmi notes:2.0"], marks=pytest.mark.root),
        pytest.param(3, [], marks=pytest.mark.root),
    ],
)
def test_every_command_of_the_tour_does_what_its_comment_says(
    store_root: str, part: int, refusals: list[str]
) -> None:
    refused = []
    environment = os.environ | {
        "LIGAN_ROOT": store_root,
        "LIGAN_UNDO_DISK_LIMIT": "100%",
        "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"],
    }
    commands = [line for line in _tour(part) if line.startswith("ligan ")]
    for command in commands:
        done = subprocess.run(
            command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            refused.append(command.split("#")[0].strip())
    assert refused == refusals
    assert len(commands) > 8
    Home(store_root).close()
