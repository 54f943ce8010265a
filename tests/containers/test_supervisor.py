"""The daemon's supervisor: ends at once, restarts by policy, and what runs when it begins or stops."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ligan.containers.locking import Watch, is_watched
from ligan.containers.supervising import Supervisor
from ligan.store.layout import Layout
from ligan.store.store import Store
from tests.support.bundles import processes_of
from tests.support.stores import KEEP
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.homes import Home

pytestmark = pytest.mark.root


@contextmanager
def supervised(home: Home) -> Iterator[Supervisor]:
    said: list[str] = []
    supervisor = Supervisor(lambda: Store(Layout(home.root), KEEP), said.append)
    supervisor.start()
    home.engine.watched_by = supervisor.add
    try:
        yield supervisor
    finally:
        home.engine.watched_by = None
        supervisor.close()
    assert said == []


def test_end_is_written_down_without_another_process(home: Home) -> None:
    with supervised(home):
        container = home.start("sleep", "1000")
        assert is_watched(home.store.layout, container)
        os.kill(home.row(container).pid, signal.SIGKILL)
        assert home.await_state(container, "exited").exit_code == 137
        # conmon and what it started to wait have the words of a cleanup too, and end without one.
        assert not [line for line in processes_of(container) if line.startswith(sys.executable)]


def test_restarts_by_policy(home: Home) -> None:
    with supervised(home):
        container = home.start("false", RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 2})
        row = home.await_state(container, "exited")
    assert (row.restarts, row.exits) == (2, 3)


def test_restart_by_hand_stays_watched(home: Home) -> None:
    with supervised(home):
        container = home.start("sleep", "1000")
        home.engine.restart_container(container, 0)
        until(lambda: is_watched(home.store.layout, container))
        home.engine.kill_container(container)


def test_a_run_is_watched_once_nobody_else_does(home: Home) -> None:
    """As of a container that is started again before its last run's exit command has had its turn."""
    with supervised(home):
        container = home.create("sleep", "1000")
        with Watch(home.store.layout, container) as other:
            assert other.is_held
            home.engine.start_container(container)
        until(lambda: is_watched(home.store.layout, container))


def test_containers_run_on_when_it_stops_and_are_watched_again(home: Home) -> None:
    with supervised(home):
        container = home.start("sleep", "1000")
    assert home.row(container).state == "running"
    assert not is_watched(home.store.layout, container)
    with supervised(home):
        until(lambda: is_watched(home.store.layout, container))


def test_starts_what_its_policy_wants_when_it_begins(home: Home) -> None:
    containers = {
        policy: home.start("sleep", "1000", RestartPolicy={"Name": policy})
        for policy in ("always", "unless-stopped", "no")
    }
    never_ran = home.create("sleep", "1000", RestartPolicy={"Name": "always"})
    for container in containers.values():
        home.engine.stop_container(container, 0)
    with supervised(home):
        home.await_state(containers["always"], "running")
        for name in (containers["unless-stopped"], containers["no"]):
            assert home.row(name).state == "exited"
        assert home.row(never_ran).state == "created"
