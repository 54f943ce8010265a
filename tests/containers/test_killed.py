"""Killed at every step of a start and of an end: what is shown is true, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from ligan.containers import runtime
from ligan.containers.ending import reconcile
from ligan.containers.processes import Process, await_end, send
from ligan.errors import Conflict
from ligan.store.failpoints import POINTS
from tests.support.bundles import await_no_conmon
from tests.support.homes import cgroups_of
from tests.support.mounts import below as mounts_below
from tests.support.waiting import SECONDS, until

if TYPE_CHECKING:
    from tests.support.homes import Home

pytestmark = pytest.mark.root

STARTS = [point for point in POINTS if point.startswith("start.")]
ENDS = [point for point in POINTS if point.startswith("finish.")]

BEFORE_ROW = ("start.marked", "start.mounted", "start.connected", "start.created")


def check_clean(home: Home, container: str) -> None:
    """Assert that nothing of the system serves a container that does not run."""
    folder = home.store.layout.container(container)
    await_no_conmon(folder)
    reconcile(home.store)  # what conmon's exit command was busy with before was left to it
    assert not cgroups_of(container)
    assert not os.path.ismount(home.store.layout.merged(container))
    assert mounts_below(home.store.layout.mounts) == []
    assert os.listdir(home.store.layout.all_running) == []


@pytest.mark.parametrize("point", STARTS)
def test_kill_at_start(point: str, home: Home) -> None:
    container = home.create("sleep", "1000")
    home.killed(point, "start", container)
    reconcile(home.store)
    row = home.row(container)
    if point in BEFORE_ROW:
        assert (row.state, row.exits) == ("created", 0)
        check_clean(home, container)
    elif point == "start.rows":  # shown as running for a moment; its process never ran
        assert (row.state, row.exits, row.exit_code) == ("exited", 1, 137)
        check_clean(home, container)
    else:
        assert row.state == "running"
    home.engine.start_container(container)
    assert home.row(container).state == "running"
    home.engine.kill_container(container)
    check_clean(home, container)


@pytest.mark.parametrize("point", ENDS)
@pytest.mark.parametrize("removed", [False, True])
def test_kill_at_end(point: str, home: Home, *, removed: bool) -> None:
    container = home.create("sh", "-c", "exit 3", AutoRemove=removed)
    home.killed(point, "run", container)
    reconcile(home.store)
    home.store.recover()  # as the next verb that writes does: it takes the folder of what was removed
    assert bool(home.engine.list_containers({}, show_all=True)) is not removed
    assert home.events(container)[:3] == ["create", "start", "die"]
    if not removed:
        row = home.row(container)
        assert (row.state, row.exits, row.exit_code) == ("exited", 1, 3)
        check_clean(home, container)


def test_kill_of_a_commit_while_the_container_is_paused_for_it(home: Home) -> None:
    container = home.start("sleep", "1000")
    home.killed("still.paused", "commit", container)
    folder = home.store.layout.container(container)
    assert runtime.state(folder, container) == "paused"
    reconcile(home.store)
    assert (home.row(container).state, runtime.state(folder, container)) == ("running", "running")
    home.engine.pause_container(container)
    reconcile(home.store)
    assert home.row(container).state == "paused"
    home.store.recover()  # as the next verb that writes does: it takes what the commit had written


def test_conmon_and_container_killed(home: Home) -> None:
    container = home.start("sleep", "1000")
    row = home.row(container)
    os.kill(row.conmon_pid, signal.SIGKILL)
    os.kill(row.pid, signal.SIGKILL)
    await_end_of(row.pid)
    row = home.row(container)
    assert (row.state, row.exit_code) == ("exited", 255)
    check_clean(home, container)


def test_conmon_killed(home: Home) -> None:
    """The container runs on, without its streams' other end; its end is noticed by whoever looks."""
    container = home.start("sleep", "1000")
    conmon = home.row(container).conmon_pid
    os.kill(conmon, signal.SIGKILL)
    await_end_of(conmon)
    assert home.row(container).state == "running"
    with pytest.raises(Conflict, match="conmon, which had its streams, is gone"):
        home.engine.attach_container(container)
    home.engine.stop_container(container, 0)
    assert home.row(container).state == "exited"
    check_clean(home, container)


def test_after_a_restart_of_the_machine(home: Home) -> None:
    """Rows of another boot are of processes that are gone, whoever has their numbers now."""
    container = home.start("sleep", "1000")
    row = home.row(container)
    conmon = Process(row.conmon_pid, row.conmon_started, row.boot_id)
    with home.store.database.write() as tx:
        tx.execute("UPDATE container SET boot_id = 'another', pid = ? WHERE key = ?", (os.getpid(), row.key))
    assert home.engine.list_containers({}) == []
    found = home.row(container)
    assert (found.state, found.exit_code) == ("exited", 255)
    send(conmon, signal.SIGKILL)  # a real restart would have ended it
    await_end_of(row.pid)
    check_clean(home, container)


def test_end_waits_until_conmon_is_done_with_its_socket(home: Home) -> None:
    """conmon unlinks it by its path after it wrote the status: the next run's would go, if it was there."""
    container = home.start("sleep", "1000")
    row = home.row(container)
    os.kill(row.conmon_pid, signal.SIGKILL)
    folder = home.store.layout.container(container)
    with open(f"{folder}/exit/{container}", "w", encoding="ascii") as file:
        file.write("7")
    us = Process.of(os.getpid())
    assert us is not None
    with home.store.database.write() as tx:
        tx.execute(
            "UPDATE container SET conmon_pid = ?, conmon_started = ? WHERE key = ?",
            (us.pid, us.started, row.key),
        )
    was_there: list[bool] = []

    def end_slowly() -> None:
        was_there.append(os.path.exists(f"{folder}/attach"))
        if was_there[0]:
            os.unlink(f"{folder}/attach")

    conmon = threading.Timer(0.1, end_slowly)
    os.kill(row.pid, signal.SIGKILL)
    await_end_of(row.pid)
    conmon.start()
    assert home.row(container).exit_code == 7
    conmon.join()
    assert was_there == [True]


def await_end_of(pid: int) -> None:
    process = Process.of(pid)
    if process is not None:
        assert await_end(process, SECONDS)


def test_waiting_for_a_restart_survives_the_one_who_waits(home: Home, tmp_path: os.PathLike[str]) -> None:
    end = os.path.join(tmp_path, "end")
    os.mkdir(end)
    policy = {"Name": "on-failure"}  # for ever, and each time after twice as long: one of the waits is seen
    container = home.start("test", "-e", "/end/now", RestartPolicy=policy, Binds=[f"{end}:/end"])
    restarts = home.await_state(container, "restarting").restarts
    _kill_cleanup(container)
    os.mknod(f"{end}/now")

    def is_over() -> bool:
        reconcile(home.store)
        return home.row(container).state == "exited"

    until(is_over)
    row = home.row(container)
    assert (row.exit_code, row.restarts) == (0, row.exits - 1)
    assert row.restarts >= restarts


def _kill_cleanup(container: str) -> None:
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"cleanup" in words and container.encode() in words and b"-m" in words[:4]:
            with suppress(ProcessLookupError):  # it has done its work meanwhile
                os.kill(int(pid), signal.SIGKILL)
