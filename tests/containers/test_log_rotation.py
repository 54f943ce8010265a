"""Logs with max-size and max-file, as conmon writes them: rotated by a daemon, and without one."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ligan.containers.logs import LogRequest, rotate

if TYPE_CHECKING:
    from tests.support.homes import Home

pytestmark = pytest.mark.root

LINES = 400


def writer(pause: str) -> tuple[str, ...]:
    return "sh", "-c", f"i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; {pause}; done"


def numbers(home: Home, container: str, **request: Any) -> list[int]:
    lines = home.engine.container_logs(container, LogRequest(**request))
    return [int(line.text.split()[1]) for line in lines]


def test_a_follower_misses_nothing_when_files_change(home: Home) -> None:
    container = home.start(*writer("usleep 1500"))
    folder = home.store.layout.container(container)
    rotations: list[bool] = []
    over = threading.Event()

    def keep_small() -> None:
        while not over.wait(0.01):
            rotations.append(rotate(folder, 2000, 3))

    keeper = threading.Thread(target=keep_small)
    keeper.start()
    try:
        assert numbers(home, container, follow=True) == list(range(1, LINES + 1))
    finally:
        over.set()
        keeper.join()
    assert sum(rotations) > 3
    kept = numbers(home, container)
    assert 1 < kept[0] < LINES
    assert kept == list(range(kept[0], LINES + 1))
    files = {name for name in os.listdir(folder) if name.startswith("log")}
    assert files - {"log"} == {"log.1", "log.2"}  # conmon may have ended before it made the newest


def test_without_a_daemon_a_log_that_is_full_is_begun_anew(home: Home) -> None:
    """conmon alone keeps no second file: what is lost is all that the log held (docs/compatibility.md)."""
    config = {"Type": "json-file", "Config": {"max-size": "2k", "max-file": "3"}}
    container = home.create(*writer("true"), LogConfig=config)
    assert home.run_attached(container)[0] == 0
    kept = numbers(home, container)
    assert 1 < kept[0] < LINES
    assert kept == list(range(kept[0], LINES + 1))
    folder = home.store.layout.container(container)
    assert [name for name in os.listdir(folder) if name.startswith("log")] == ["log"]
    assert os.path.getsize(f"{folder}/log") <= 6000
