"""Logs with max-size and max-file, as conmon writes them: rotated by a daemon, and without one."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from ligan.containers.logs import LogRequest, read_logs, rotate
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ligan.containers.logs import LogLine
    from tests.support.homes import Home

pytestmark = pytest.mark.root

ROTATIONS = 6
LINES = 400


def writer(condition: str, pause: str) -> tuple[str, ...]:
    return "sh", "-c", f"i=0; while {condition}; do i=$((i+1)); echo line $i; {pause}; done"


def numbers(lines: Iterable[LogLine]) -> Iterator[int]:
    return (int(line.text.split()[1]) for line in lines)


def kept_in(home: Home, container: str) -> list[int]:
    return list(numbers(home.engine.container_logs(container, LogRequest())))


def test_a_follower_misses_nothing_when_files_change(home: Home) -> None:
    container = home.start(*writer("true", "usleep 1500"))
    folder, process = home.store.layout.container(container), home.row(container).pid
    seen: list[int] = []

    def keep_small() -> None:
        """Rotate, and let the follower come near each time: what it has still to read must not be dropped."""
        try:
            for _ in range(ROTATIONS):
                until(lambda: rotate(folder, 2000, 3))
                *_, newest = numbers(read_logs(folder, LogRequest(tail=1)))
                until(lambda newest=newest: seen and seen[-1] >= newest)  # type: ignore[misc]
        finally:
            os.kill(process, signal.SIGKILL)

    keeper = threading.Thread(target=keep_small)
    keeper.start()
    for line in numbers(home.engine.container_logs(container, LogRequest(follow=True))):
        seen.append(line)  # noqa: PERF402  # one by one, as the keeper looks
    keeper.join()
    assert seen == list(range(1, len(seen) + 1))
    kept = kept_in(home, container)
    assert kept[0] > 1
    assert kept == list(range(kept[0], len(seen) + 1))
    files = {name for name in os.listdir(folder) if name.startswith("log")}
    assert files - {"log"} == {"log.1", "log.2"}  # conmon may have ended before it made the newest


def test_without_a_daemon_a_log_that_is_full_is_begun_anew(home: Home) -> None:
    """conmon alone keeps no second file: what is lost is all that the log held (docs/compatibility.md)."""
    config = {"Type": "json-file", "Config": {"max-size": "2k", "max-file": "3"}}
    container = home.create(*writer(f"[ $i -lt {LINES} ]", "true"), LogConfig=config)
    assert home.run_attached(container)[0] == 0
    kept = kept_in(home, container)
    assert 1 < kept[0] < LINES
    assert kept == list(range(kept[0], LINES + 1))
    folder = home.store.layout.container(container)
    assert [name for name in os.listdir(folder) if name.startswith("log")] == ["log"]
    assert os.path.getsize(f"{folder}/log") <= 6000
