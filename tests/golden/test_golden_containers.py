"""Scenarios about containers. They were recorded without a bridge: so is the replay."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.support.golden import without_ids
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.support.golden import Replay, Step

pytestmark = pytest.mark.root

_CHOSEN_NAME = re.compile(r"\b[a-z]+_[a-z]+\d?\b")


def listing(text: str) -> str:
    """Leave out names that an engine chose."""
    return _CHOSEN_NAME.sub("a_name", text)


def inspection(text: str) -> str:
    """Leave out what no two runs have in common, and where an engine keeps its files."""
    text = text.replace('"PATH=/bin"', _PATH)  # of images that a replay builds
    return json.dumps(json.loads(text, object_hook=_without_places), indent=1)


def _without_places(document: dict[str, Any]) -> dict[str, Any]:
    for key, value in document.items():
        if value and key in _OF_A_RUN:
            document[key] = "of this run"
        elif key.endswith("Path") and isinstance(value, str):
            document[key] = os.path.basename(value)
    document.pop("NetworkDisabled", None)  # here a host without a bridge is no matter of a container's Config
    if "GraphDriver" in document:
        document["GraphDriver"] = sorted(document["GraphDriver"])
        document["Driver"] = "a driver"
    return document


_PATH = '"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"'
_OF_A_RUN = (
    "Pid",
    "Created",
    "StartedAt",
    "FinishedAt",
    "SandboxID",
    "SandboxKey",
    "LogPath",
    "LastTagTime",
    "DockerVersion",
)


def test_golden_d_rmi_in_use(replay: Callable[[str], Replay]) -> None:
    golden = replay("d_rmi_in_use")
    steps: list[Step] = [("/bin/sh -c #(nop) COPY file:{} in /f ".format("1" * 64), {"f": b"1\n"})]
    golden.build("used:1", steps)
    golden.check_range(2, 38)


def test_golden_k_containers(replay: Callable[[str], Replay]) -> None:
    golden = replay("k_containers")
    readings = {26: _with_sleep, 29: inspection, 34: inspection, 102: without_ids}
    gone = golden.steps[107]
    gone["cmd"] = gone["cmd"].replace("sleep 1.5", _UNTIL_GONE)
    for index, step in enumerate(golden.steps):
        if index == 20:
            until(lambda: golden.run("docker exec r1 ls /new").returncode == 0)
        if step["kind"] == "cli":
            golden.check(index, reading=readings.get(index, listing))


_UNTIL_GONE = 'while [ "$(docker ps -a -q -f name=auto)" ]; do sleep 0.1; done'
"""However long that takes: the recording gave it a second and a half."""


def _with_sleep(count: str) -> str:
    """Count the sleep of a loop also where it is between two of them."""
    return count.replace("1", "2")
