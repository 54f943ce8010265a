"""The life of containers: started, ended, stopped, killed, paused, restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ligan.containers import supervising
from ligan.containers.committing import CommitRequest, layer_of
from ligan.containers.failures import RuntimeFailed
from ligan.containers.rows import NoSuchContainer
from ligan.errors import Conflict, LiganError, NotFound
from tests.support.homes import cgroups_of
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ligan.containers.rows import Container
    from ligan.store.store import Store
    from tests.support.homes import Home

pytestmark = pytest.mark.root


def test_output_and_status_of_a_run(home: Home) -> None:
    assert home.run("sh", "-c", "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")


def test_nothing_is_missed_of_a_short_run(home: Home) -> None:
    container = home.create("echo", "hi")
    for _ in range(5):
        assert home.run_attached(container) == (0, b"hi\n", b"")


def test_events_and_row_of_a_run(home: Home) -> None:
    container = home.create("sh", "-c", "exit 3")
    home.run_attached(container)
    row = home.row(container)
    assert (row.state, row.exit_code, row.exits, row.pid, row.error) == ("exited", 3, 1, 0, "")
    assert 0 < row.created < row.started < row.finished
    assert home.events(container) == ["create", "attach", "start", "die"]


def test_removed_at_its_end(home: Home) -> None:
    container = home.create("sh", "-c", "exit 3", AutoRemove=True)
    assert home.run_attached(container)[0] == 3
    with pytest.raises(NoSuchContainer):
        home.row(container)
    assert home.events(container) == ["create", "attach", "start", "die", "destroy"]


def test_end_that_nobody_watches_is_written_down_by_conmon(home: Home) -> None:
    container = home.start("sh", "-c", "exit 5")
    assert home.await_state(container, "exited").exit_code == 5
    assert home.events(container) == ["create", "start", "die"]


def test_removed_at_its_end_though_nobody_watches(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    container = home.start("sleep", "1000", AutoRemove=True)
    process, await_change = home.row(container).pid, supervising._await_change

    def end_now_that_it_waits(store: Store, container_id: str) -> None:
        monkeypatch.undo()
        os.kill(process, signal.SIGKILL)
        await_change(store, container_id)

    monkeypatch.setattr(supervising, "_await_change", end_now_that_it_waits)
    ended = home.engine.wait_container(container, "removed")
    assert (ended.removed, ended.exit_code) == (True, 137)


def test_detached_container_is_left_as_it_was(home: Home) -> None:
    container = home.start("sleep", "1000")
    assert home.row(container).state == "running"
    assert home.engine.start_container(container) is False
    assert cgroups_of(container)
    home.engine.kill_container(container)
    row = home.row(container)
    assert (row.state, row.exit_code, row.stopped_by_hand) == ("exited", 137, True)
    assert not cgroups_of(container)
    assert home.events(container) == ["create", "start", "kill", "die"]


@pytest.mark.parametrize(
    ("command", "config", "status", "words"),
    [
        (
            ["nosuch"],
            {},
            127,
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to start "
            'container process: exec: "nosuch": executable file not found in $PATH: unknown',
        ),
        (
            ["/etc/passwd"],
            {},
            126,
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to start "
            'container process: exec: "/etc/passwd": permission denied: unknown',
        ),
        (
            ["true"],
            {"User": "nobody1"},
            128,
            "unable to find user nobody1: no matching entries in passwd file",
        ),
    ],
)
def test_start_that_fails(
    home: Home, command: list[str], config: dict[str, str], status: int, words: str
) -> None:
    container = home.create(*command, config=config)
    with pytest.raises(LiganError) as error:
        home.engine.start_container(container)
    assert error.value.message == words
    row = home.row(container)
    assert (row.state, row.exit_code, row.error, row.started) == ("created", status, words, 0)
    assert home.events(container) == ["create"]
    assert not cgroups_of(container)


def test_start_that_fails_removes_what_goes_at_its_end(home: Home) -> None:
    container = home.create("nosuch", AutoRemove=True)
    with pytest.raises(LiganError):
        home.engine.start_container(container)
    assert home.events(container) == ["create", "destroy"]


def test_stop_sends_the_stop_signal_then_kills(home: Home) -> None:
    container = home.start("sleep", "1000")
    assert home.engine.stop_container(container, 0) is True
    assert home.engine.stop_container(container) is False
    assert home.row(container).exit_code == 137
    assert home.events(container)[2:] == ["kill", "kill", "die", "stop"]


def test_stop_waits_for_an_end_in_order(home: Home) -> None:
    script = "trap 'exit 4' TERM; echo ready; while :; do sleep 0.01; done"
    container = home.create("sh", "-c", script)
    home.start_until_it_speaks(container)
    home.engine.stop_container(container)
    assert home.row(container).exit_code == 4
    assert home.events(container)[3:] == ["kill", "die", "stop"]


def test_kill_of_what_does_not_run(home: Home) -> None:
    container = home.create("true", name="idle")
    with pytest.raises(
        Conflict, match=f"^Cannot kill container: idle: Container {container} is not running$"
    ):
        home.engine.kill_container("idle")
    with pytest.raises(NotFound, match=r"^Cannot kill container: x: No such container: x$"):
        home.engine.kill_container("x")


def test_pause_and_unpause(home: Home) -> None:
    container = home.start("sleep", "1000")
    home.engine.pause_container(container)
    assert home.row(container).state == "paused"
    with pytest.raises(Conflict, match="is already paused"):
        home.engine.pause_container(container)
    with pytest.raises(Conflict, match="cannot start a paused container, try unpause instead"):
        home.engine.start_container(container)
    home.engine.unpause_container(container)
    with pytest.raises(Conflict, match="is not paused"):
        home.engine.unpause_container(container)
    assert home.row(container).state == "running"


@pytest.mark.parametrize("verb", ["unpause_container", "kill_container"])
def test_commit_of_what_goes_on_meanwhile(home: Home, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    container = home.start("sleep", "1000")

    def disturbed(store: Store, row: Container) -> Iterator[bytes]:
        getattr(home.engine, verb)(container)
        return layer_of(store, row)

    monkeypatch.setattr("ligan.containers.committing.layer_of", disturbed)
    home.engine.commit_container(container, CommitRequest(repository="made"))
    assert home.events(container)[-1] == "commit"


def test_stop_of_a_paused_container(home: Home) -> None:
    container = home.start("sleep", "1000")
    home.engine.pause_container(container)
    home.engine.stop_container(container, 0)
    assert home.row(container).state == "exited"
    assert home.events(container)[2:] == ["pause", "kill", "unpause", "kill", "die", "stop"]


def test_restart_keeps_what_would_go_at_its_end(home: Home) -> None:
    container = home.start("sleep", "1000", AutoRemove=True)
    first = home.row(container).pid
    home.engine.restart_container(container, 0)
    assert home.row(container).pid not in (0, first)
    assert home.events(container)[2:] == ["kill", "kill", "die", "stop", "start", "restart"]
    home.engine.kill_container(container)
    assert home.events(container)[-3:] == ["kill", "die", "destroy"]


def test_restart_policy_on_failure(home: Home) -> None:
    container = home.start("false", RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 2})
    row = home.await_state(container, "exited")
    assert (row.restarts, row.exits, row.exit_code) == (2, 3, 1)
    assert home.events(container) == ["create", *["start", "die"] * 3]


def test_restart_policy_always_until_stopped(home: Home) -> None:
    container = home.start("sleep", "0.01", RestartPolicy={"Name": "always"})
    until(lambda: home.row(container).exits >= 2)
    home.engine.stop_container(container)
    exits = home.row(container).exits
    time.sleep(0.3)  # longer than the next wait would have been
    row = home.row(container)
    assert (row.state, row.exits) == ("exited", exits)


def test_out_of_memory(home: Home) -> None:
    container = home.create("tail", "/dev/zero", Memory=8 << 20, MemorySwap=8 << 20)
    assert home.run_attached(container)[0] == 137
    assert home.row(container).oom_killed
    assert home.events(container)[-2:] == ["oom", "die"]


def test_propagation_needs_a_mount_of_the_host_that_is_shared(home: Home, tmp_path: Path) -> None:
    place = str(tmp_path / "place")
    os.mkdir(place)
    subprocess.run(["mount", "-t", "tmpfs", "--make-private", "none", place], check=True)
    try:
        for mode, words in (("rshared", "shared"), ("slave", "shared or slave")):
            container = home.create("true", Binds=[f"{place}:/x:{mode}"])
            with pytest.raises(
                RuntimeFailed, match=f"^path {place} is mounted on {place} but it is not a {words} mount$"
            ):
                home.engine.start_container(container)
        subprocess.run(["mount", "--make-shared", place], check=True)
        assert home.run("true", Binds=[f"{place}:/x:rshared"])[0] == 0
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_volume_is_filled_with_what_every_container_has_there(home: Home) -> None:
    container = home.create("true", Binds=["names:/etc"])
    assert {"hostname", "hosts", "mtab", "passwd"} <= set(os.listdir(home.store.layout.volume_data("names")))
    home.engine.remove_container(container)
    home.engine.remove_volume("names")


def test_files_of_names(home: Home) -> None:
    config = {"Hostname": "here", "Domainname": "example.org"}
    asked = {"ExtraHosts": ["other:10.1.2.3"], "Dns": ["9.9.9.9"], "DnsSearch": ["example.org"]}
    _, out, _ = home.run(
        "sh", "-c", "hostname; cat /etc/hostname /etc/resolv.conf; tail -1 /etc/hosts", config=config, **asked
    )
    assert out.decode() == "here\nhere\nsearch example.org\nnameserver 9.9.9.9\n10.1.2.3\tother\n"


def test_network_namespace_of_another_container(home: Home) -> None:
    other = home.start("sleep", "1000", name="other", config={"Hostname": "otherhost"})
    asked = {"NetworkMode": "container:other"}
    assert home.run("cat", "/etc/hostname", **asked)[1] == b"otherhost\n"
    home.engine.kill_container(other)
    with pytest.raises(Conflict, match=f"^cannot join network of a non running container: {other}$"):
        home.start("true", **asked)


def test_shared_memory_of_another_container(home: Home) -> None:
    home.start("sh", "-c", "echo shared >/dev/shm/file; exec sleep 1000", name="giver", IpcMode="shareable")
    reading = ("sh", "-c", "cat /dev/shm/file || true")
    assert until(lambda: home.run(*reading, IpcMode="container:giver")[1]) == b"shared\n"
