"""Who reads the output: slowly, no more, or onto a full disk. The end of the container is told right."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO, TYPE_CHECKING

import pytest

from ligan.containers import attaching
from ligan.containers.attach import open_attach_socket
from tests.support.homes import PARENT
from tests.support.logs import await_standstill
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from tests.support.homes import Home

pytestmark = pytest.mark.root

RUN = ("run", "--network", "none", "--cgroup-parent", PARENT)
MUCH = ("busybox", "seq", "1000000")
LINES = 20_000
"""Which a pipe alone would not hold."""


def words(home: Home, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "ligan", "--root", home.root, *arguments]


def into(home: Home, output: int | IO[bytes], *arguments: str) -> tuple[int, bytes]:
    done = subprocess.run(
        words(home, *arguments), stdout=output, stderr=subprocess.PIPE, check=False, timeout=SECONDS
    )
    return done.returncode, done.stderr


def test_nobody_reads_any_more(home: Home) -> None:
    """The command goes as docker's client does, which a broken pipe kills; the container does its work."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert into(home, writing, *RUN, "--name", "piped", *MUCH) == (141, b"")
        assert home.await_state("piped", "exited").exit_code == 0
        assert into(home, writing, "start", "-a", "piped") == (141, b"")
        assert home.await_state("piped", "exited").exit_code == 0
        container = home.start("sleep", "1000")
        assert into(home, writing, "exec", container, *MUCH[1:]) == (141, b"")
    finally:
        os.close(writing)


def test_disk_is_full(home: Home) -> None:
    told = b"write /dev/stdout: no space left on device\n"
    with open("/dev/full", "wb") as full:
        assert into(home, full, *RUN, "--name", "full", *MUCH) == (1, told)
        assert home.await_state("full", "exited").exit_code == 0
        container = home.start("sleep", "1000")
        assert into(home, full, "exec", container, *MUCH[1:]) == (1, told)


def test_attach_to_what_ends_in_that_moment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    container = home.start("sleep", "1000")

    def come_too_late(folder: str) -> object:
        home.engine.kill_container(container)
        return open_attach_socket(folder)

    monkeypatch.setattr(attaching, "open_attach_socket", come_too_late)
    attachment = home.engine.attach_container(container)
    monkeypatch.undo()
    attachment.take_rest()
    assert list(attachment) == []
    assert home.row(container).state == "exited"


def test_stdin_of_one_client_ends_when_another_without_stdin_leaves(home: Home) -> None:
    """conmon does not know which client has stdin (docs/compatibility.md)."""
    script = "while :; do echo tick; sleep 0.01; done & cat; exit 7"
    run = words(home, *RUN, "--name", "fed", "-i", "busybox", "sh", "-c", script)
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"tick\n"
        attach = words(home, "attach", "--no-stdin", "fed")
        with subprocess.Popen(attach, stdout=subprocess.PIPE) as attached:
            assert attached.stdout is not None
            assert attached.stdout.readline() == b"tick\n"
            attached.kill()
        assert running.wait(SECONDS) == 7


def test_status_is_known_before_slow_readers_are_done(home: Home) -> None:
    """conmon, which tells the status, waits for all who attached: pipes and sockets are full at the end."""
    until = "until test -e {}; do {} sleep 0.01; done;"
    script = f"{until.format('/go', 'echo tick;')} seq 1000000 & {until.format('/end', '')} exit 7"
    run = words(home, *RUN, "--name", "slow", "busybox", "sh", "-c", script)
    with subprocess.Popen(run, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"tick\n"
        with subprocess.Popen(words(home, "attach", "slow"), stdout=subprocess.PIPE) as attached:
            assert attached.stdout is not None
            assert attached.stdout.readline() == b"tick\n"
            assert into(home, subprocess.DEVNULL, "exec", "slow", "touch", "/go") == (0, b"")
            await_standstill(f"{home.store.layout.container(home.row('slow').id)}/log", LINES)
            assert into(home, subprocess.DEVNULL, "exec", "slow", "touch", "/end") == (0, b"")
            assert home.await_state("slow", "exited").exit_code == 7
            for program, output in ((running, running.stdout), (attached, attached.stdout)):
                numbers = output.read().replace(b"tick\n", b"").splitlines()
                assert numbers[:-1] == [b"%d" % number for number in range(1, len(numbers))]
                assert len(numbers) > LINES
                assert program.wait(SECONDS) == 7
