"""Scenarios a and b as they were recorded: docker's client builds, by the classic builder."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.golden import test_golden_containers as containers
from tests.golden.test_golden_api import RECORDED_CLIENT, _client_version, replay
from tests.support import normalise
from tests.support.golden import without_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.golden import Replay

__all__ = ["replay"]

pytestmark = [pytest.mark.docker_cli, pytest.mark.root]

LEFT_OUT: dict[str, dict[int, str]] = {
    "a_dangling_rebuild": {},
    "b_build_intermediates": {},
    "b_build_messages": {
        20: "the client names its folder",
        39: "no test asks Docker Hub",
    },
}
"""Steps that are not run -> why."""


@pytest.mark.parametrize("scenario", LEFT_OUT)
def test_golden_builds(
    scenario: str, replay: Callable[[str], Replay], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    golden = replay(scenario)
    for index, step in enumerate(golden.steps):
        if step["kind"] == "files":
            for name, content in step["files"].items():
                golden.write(name, content.encode())
        elif step["kind"] == "cli" and index not in LEFT_OUT[scenario]:
            if step["cmd"].startswith("docker build"):
                _await_next_second()
            # Images of one second come in any order.
            reading = without_ids if step["cmd"].startswith("docker images") else _reading
            golden.check(index, reading=reading)
    golden.run("docker volume prune --force")  # those of containers that were removed without them


def _await_next_second() -> None:
    """The same files made by two builds in one second are one layer; those of the recording are not."""
    time.sleep(1 - time.time() % 1)


def _reading(text: str) -> str:
    """Leave out what engines and moments differ in; the rest of what is printed is the same."""
    text = normalise.inspection(containers.listing(text)).replace("20.10.24+dfsg1", "20.10.24")
    if _client_version() != RECORDED_CLIENT:
        text = _SUM.sub("file:sum", text)
    return normalise.listing(text)


_SUM = re.compile(r"file:[0-9a-f]+")
"""What is copied, by its sum: clients before 23 tell the names of owners, which are part of it."""
