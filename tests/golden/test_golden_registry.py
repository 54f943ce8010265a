"""The scenario of pushes and pulls, with Debian's docker-registry: by `ligan`, and by docker's client."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.golden.test_golden_api import replay as replay_by_api
from tests.support import registry as real_registry
from tests.support.golden import _ID

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from tests.support.golden import Replay, Step

__all__ = ["replay_by_api"]

SCENARIO = "m_registry"
GOLDEN_ADDRESS = "127.0.0.1:5000"

_BUSYBOX = "/bin/sh -c echo one > /one"


@pytest.fixture
def registry(tmp_path: os.PathLike[str]) -> Iterator[str]:
    if reason := real_registry.missing():
        pytest.skip(reason)
    with real_registry.running(f"{tmp_path}/registry") as address:
        yield address


def _steps(checksum: str, content: bytes) -> list[Step]:
    return [(_BUSYBOX, {"one": b"one\n"}), (f"/bin/sh -c #(nop) COPY file:{checksum} in /f ", {"f": content})]


def _unordered(text: str) -> str:
    """Leave out which layer it is, as several are on their way at once, and how gzip packs it."""
    text = re.sub(r" size: \d+$", " size: N", _ID.sub("ID", text), flags=re.MULTILINE)
    return "\n".join(sorted(text.splitlines()))


def _check(golden: Replay, address: str) -> None:
    text = json.dumps(golden.steps).replace(GOLDEN_ADDRESS, address)
    golden.steps = json.loads(text.replace(quote(GOLDEN_ADDRESS, safe=""), quote(address, safe="")))
    golden.build("app:1", _steps("c5b919daeffc2bc186359fc41a5e9d09641dc958fb7174297b394a1df502288f", b"1\n"))
    for index in range(2, 65):
        command = golden.steps[index]["cmd"]
        if " run " in command:
            continue
        if " push " in command or " pull " in command:
            golden.check(index, reading=_unordered)
        elif " inspect 127" in command:
            golden.check(index, reading=lambda _text: "")  # another scenario compares what a build leaves
        else:
            golden.check(index)
    assert golden.run(f"docker pull {address}/team/app:2").returncode == 0
    golden.build(f"{address}/team/app:1", _steps("2" * 64, b"2\n"), cache=False)
    golden.check(75, reading=_unordered)
    golden.check(76)
    golden.check(77, reading=_unordered)
    golden.check(82, 83, 84)


def test_golden_m_registry(registry: str, replay: Callable[[str], Replay]) -> None:
    _check(replay(SCENARIO), registry)


@pytest.mark.docker_cli
def test_golden_m_registry_by_docker(registry: str, replay_by_api: Callable[[str], Replay]) -> None:
    _check(replay_by_api(SCENARIO), registry)
